// Where a device was silent: a chart must not draw a line through time in which nothing was measured.

const SHORTEST_GAP_MS = 10_000;
const INTERVALS_PER_GAP = 5;
const MOST_SAMPLES = 500;

/** Silence longer than this is a gap: five usual intervals, and never less than 10 s. */
export function gapLimitMs(times: readonly number[]): number {
  return Math.max(SHORTEST_GAP_MS, INTERVALS_PER_GAP * medianInterval(times));
}

/** The usual distance of two readings. Of a long list an even sample is taken: this runs at every redraw. */
export function medianInterval(times: readonly number[]): number {
  const step = Math.max(1, Math.floor((times.length - 1) / MOST_SAMPLES));
  const intervals: number[] = [];
  for (let i = 1; i < times.length; i += step) intervals.push((times[i] ?? 0) - (times[i - 1] ?? 0));
  if (intervals.length === 0) return 0;
  intervals.sort((a, b) => a - b);
  return intervals[intervals.length >> 1] ?? 0;
}

/** Half-open index ranges [from, to) of unbroken stretches. */
export function stretches(times: readonly number[], limitMs: number): [number, number][] {
  if (times.length === 0) return [];
  const found: [number, number][] = [];
  let start = 0;
  for (let i = 1; i < times.length; i += 1) {
    if ((times[i] ?? 0) - (times[i - 1] ?? 0) > limitMs) {
      found.push([start, i]);
      start = i;
    }
  }
  found.push([start, times.length]);
  return found;
}
