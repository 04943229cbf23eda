// Gives the sparkline of a card that comes into view its last five minutes, a few devices at a time.
import { readNewest } from "../api/devices";
import { numericMetrics } from "../figures/metrics";
import { toMs } from "../readings/timestamps";
import { touch } from "./fleet";
import type { Device } from "./fleet";

const AT_ONCE = 3;
const POINTS = 300;

const done = new WeakSet<Device>();
const waiting = new Set<Device>();
let running = 0;

/** Returns how to withdraw: a card that was scrolled past before its turn is not asked for. */
export function wantSpark(device: Device): () => void {
  if (!done.has(device)) waiting.add(device);
  next();
  return () => waiting.delete(device);
}

function next(): void {
  for (const device of waiting) {
    if (running >= AT_ONCE) return;
    waiting.delete(device);
    running += 1;
    void fill(device).finally(() => {
      running -= 1;
      next();
    });
  }
}

async function fill(device: Device): Promise<void> {
  const metric = numericMetrics(device.next.values)[0];
  if (metric === undefined) return;
  done.add(device);
  try {
    const readings = await readNewest(device.device_id, { start: "-5m", metrics: metric, limit: POINTS });
    const points: [number, number][] = [];
    for (const { timestamp, values } of readings.reverse()) {
      const value = values[metric];
      if (typeof value === "number") points.push([toMs(timestamp), value]);
    }
    device.spark.prepend(points);
    touch(device);
  } catch {
    done.delete(device); // an ornament: it grows from live readings, and is asked for again when next in view
  }
}
