// A knee's movement in pictures and words: what the figures of the analytics come to.
import type { Analysed } from "../api/analytics";
import { formatCount, formatNumber } from "../figures/numbers";
import { toMs } from "./timestamps";
import type { Every } from "./resolution";

export interface Bar {
  from: number;
  to: number;
  value: number;
  /** Where the bar begins; 0 but for what moves between two values. */
  base: number;
}

export interface Extent {
  axis: string;
  min: number;
  max: number;
  mean: number;
}

export interface Movement {
  motion: Bar[];
  repetitions: Bar[];
  magnitude: Bar[];
  extents: Extent[];
}

const AXES = ["x", "y", "z", "magnitude"];

/** How long a range is shown in windows of which length: few enough that each is one bar to look at. */
export const PERIODS: { seconds: number; text: string; every: Every; each: string; words: string }[] = [
  { seconds: 600, text: "10 min", every: "10s", each: "10 s", words: "10 minutes" },
  { seconds: 3600, text: "1 h", every: "1m", each: "minute", words: "hour" },
  { seconds: 86_400, text: "1 d", every: "15m", each: "15 min", words: "24 hours" },
  { seconds: 7 * 86_400, text: "1 w", every: "3h", each: "3 h", words: "7 days" },
  { seconds: 30 * 86_400, text: "1 mo", every: "1d", each: "day", words: "30 days" },
];

/** Null where x, y and z were not measured together. */
export function movementOf({ knee, metrics }: Analysed): Movement | null {
  if (knee === null) return null;
  const windows = knee.windows ?? [];
  const bar = (window: { start: string; end: string }, value: number, base = 0): Bar => ({ from: toMs(window.start), to: toMs(window.end), value, base });
  return {
    motion: windows.map((window) => bar(window, window.range_of_motion)),
    repetitions: windows.map((window) => bar(window, window.repetitions)),
    magnitude: (metrics["magnitude"]?.windows ?? []).map((window) => bar(window, window.max, window.min)),
    extents: AXES.flatMap((axis) => {
      const found = metrics[axis];
      return found === undefined ? [] : [{ axis, min: found.min, max: found.max, mean: found.mean }];
    }),
  };
}

/** How far it moved in all, whichever way. */
export function rangeOf(knee: NonNullable<Analysed["knee"]>): number {
  return knee.range_of_motion["magnitude"] ?? Number.NaN;
}

/** Which of the metrics that movement needs the device has not sent. */
export function missingAxes(metrics: readonly string[]): string[] {
  return ["x", "y", "z"].filter((axis) => !metrics.includes(axis));
}

/** One sentence for whoever has no time for charts. */
export function sentenceOf({ knee }: Analysed, words: string, unit: string): string {
  if (knee === null) return "";
  const range = rangeOf(knee);
  const far = `${formatNumber(range, digitsFor(range))}${unit ? ` ${unit}` : ""}`;
  if (knee.repetitions === 0) return `No repetition in the last ${words}. The magnitude moved within ${far}.`;
  const times = knee.repetitions === 1 ? "once" : `${formatCount(knee.repetitions)} times`;
  const pace = knee.seconds_per_repetition === null ? "" : `, typically one every ${formatNumber(knee.seconds_per_repetition, 1)} s`;
  return `Bent and stretched ${times} in the last ${words}${pace}. The magnitude moved within ${far}.`;
}

/** As many digits as tell figures of this size apart. */
export function digitsFor(size: number): number {
  return size >= 100 ? 0 : size >= 10 ? 1 : 2;
}

/** The upper end of an axis from zero: a round number at or above the greatest value. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= value - 1e-12) ?? value;
}

/** The ends of the axis: from zero; but of what only moves between two values far from it, those with some air. */
export function extentOf(bars: readonly Bar[]): [low: number, high: number] {
  const [low, high] = [Math.min(...bars.map(({ base }) => base)), Math.max(...bars.map(({ value }) => value))];
  if (bars.length === 0 || low <= 0) return [Math.min(0, bars.length === 0 ? 0 : low), roundUp(Math.max(high, 0))];
  const air = (high - low) * 0.1 || 0.5;
  return [Math.max(0, low - air), high + air];
}

/** A window is a bar of its own length, but never wider than a bar should be where there are few. */
export function barAt({ from, to }: Bar, span: { from: number; to: number }): { x: number; width: number } {
  const length = span.to - span.from;
  const [begin, end] = [Math.max(from, span.from), Math.min(to, span.to)];
  return { x: (begin - span.from) / length, width: Math.max(0, end - begin) / length };
}
