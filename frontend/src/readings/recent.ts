// A device's last moments, bounded: raw readings for the seam between history and live, thinned points for the sparkline.
import type { LiveReading } from "../live/messages";

const RAW_KEPT_MS = 30_000;
const RAW_KEPT = 100;
export const SPARK_MS = 5 * 60_000;
const SPARK_SLICE_MS = 2_500;

/** Arrived at `at`: what the store may not have yet when history is asked for. */
export class RecentReadings {
  private kept: { at: number; reading: LiveReading }[] = [];

  add(reading: LiveReading, at: number): void {
    this.kept.push({ at, reading });
    if (this.kept.length > 2 * RAW_KEPT) this.kept = this.kept.slice(-RAW_KEPT);
    const oldest = at - RAW_KEPT_MS;
    if ((this.kept[0]?.at ?? at) < oldest - RAW_KEPT_MS) this.kept = this.kept.filter((entry) => entry.at >= oldest);
  }

  list(): LiveReading[] {
    return this.kept.map((entry) => entry.reading);
  }
}

/** One point per slice of time, for five minutes: the newest value of the slice. */
export class Spark {
  readonly points: [t: number, y: number][] = [];

  add(t: number, y: number): void {
    const last = this.points.at(-1);
    if (last !== undefined && t < last[0]) return; // late data belongs to the chart, not to a picture of now
    if (last !== undefined && Math.floor(last[0] / SPARK_SLICE_MS) === Math.floor(t / SPARK_SLICE_MS)) {
      this.points[this.points.length - 1] = [t, y];
    } else {
      this.points.push([t, y]);
    }
    while ((this.points[0]?.[0] ?? t) < t - SPARK_MS) this.points.shift();
  }

  /** History arrives after the first live points: put it in front of them. */
  prepend(older: readonly [number, number][]): void {
    const known = this.points.splice(0);
    for (const [t, y] of older) if (t < (known[0]?.[0] ?? Infinity)) this.add(t, y);
    for (const [t, y] of known) this.add(t, y);
  }
}
