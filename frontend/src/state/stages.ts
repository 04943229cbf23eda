// How long a reading takes: what ingest says of its stages, and what this page measures itself.
import { onUnmounted, shallowRef } from "vue";
import { serverNow } from "../api/http";
import { readStages } from "../api/ingest";
import type { StageTimes } from "../api/ingest";
import { Samples } from "../figures/percentiles";
import type { Spread } from "../figures/percentiles";
import type { LiveReading } from "../live/messages";
import { toMs } from "../readings/timestamps";
import { listen } from "./feed";
import { useSession } from "./session";

const EVERY_MS = 3_000;
/** A device that catches up sends what is old: that says nothing of the way. */
const LATE_MS = 60_000;
/** Of a worker that says nothing for so long the figures are of another time. */
const FRESH_S = 60;

export type Stage = StageTimes["stage"] | "screen";

export function useStages() {
  const session = useSession();
  const spreads = shallowRef<Partial<Record<Stage, Spread>>>({});
  const screen = new Samples();
  let told: Partial<Record<Stage, Spread>> = {};

  const stop = listen({ readings: (readings) => measure(readings), missed: () => undefined });

  /** One of each frame: its last reading is its newest. */
  function measure(readings: readonly LiveReading[]): void {
    const last = readings.at(-1);
    if (last === undefined || document.hidden) return;
    const at = serverNow();
    const took = at - toMs(last.timestamp);
    if (took < LATE_MS) screen.add(Math.max(0, took), at);
  }

  function show(): void {
    const seen = screen.spread(serverNow());
    spreads.value = seen === null ? told : { ...told, screen: seen };
  }

  async function look(): Promise<void> {
    if (document.hidden) return;
    // only administrators are told; what this page measures is shown to everybody
    if (session.isAdmin) {
      try {
        const fresh = (await readStages()).filter((source) => source.age_s < FRESH_S);
        told = worst(fresh.flatMap((source) => source.stages));
      } catch {
        told = {}; // App.vue says that the server is away
      }
    }
    show();
  }

  const timer = setInterval(() => void look(), EVERY_MS);
  void look();
  onUnmounted(() => {
    clearInterval(timer);
    stop();
  });
  return spreads;
}

/** Of several workers the slowest: the one to look at. */
export function worst(stages: readonly StageTimes[]): Partial<Record<Stage, Spread>> {
  const found: Partial<Record<Stage, Spread>> = {};
  for (const { stage, p50_ms, p99_ms, n } of stages) {
    if (n > 0 && p99_ms >= (found[stage]?.p99 ?? 0)) found[stage] = { p50: p50_ms, p99: p99_ms, n };
  }
  return found;
}
