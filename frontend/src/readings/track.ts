// One metric of one device as it is drawn: numbers in typed arrays, ascending in time. History and live become one.
import { gapsOf } from "./gaps";
import type { Span } from "./span";

export interface Track {
  /** Epoch milliseconds with the fraction kept; of a window its middle. */
  readonly xs: Float64Array;
  readonly ys: Float64Array;
  /** Of windows: when each begins. */
  readonly starts: Float64Array | null;
  /** Of windows: least and greatest, where they are shown. */
  readonly low: Float64Array | null;
  readonly high: Float64Array | null;
  /** How many readings each point stands for; null: one. */
  readonly counts: Float64Array | null;
  /** 1 where silence lies before a point. */
  readonly gaps: Uint8Array;
  /** The length of its windows; 0 for readings themselves. */
  readonly windowMs: number;
  /** False where points were left out because a screen can't show them all. */
  readonly whole: boolean;
}

export interface Summary {
  min: number;
  max: number;
  mean: number;
  /** Readings. */
  count: number;
}

/** A window without readings is left out by the API: one left out is a gap, unless readings are rarer than windows. */
const WINDOWS_PER_GAP = 1.5;
/** So far from a point the pointer still means it, where silence begins. */
const NEAR_MS = 5_000;

export function trackOf(xs: Float64Array, ys: Float64Array, whole = true): Track {
  return { xs, ys, starts: null, low: null, high: null, counts: null, gaps: gapsOf(xs), windowMs: 0, whole };
}

export const EMPTY: Track = trackOf(new Float64Array(), new Float64Array());

export function windowGaps(xs: ArrayLike<number>, windowMs: number): Uint8Array {
  return gapsOf(xs, WINDOWS_PER_GAP * windowMs, WINDOWS_PER_GAP);
}

/** Index of the first time at or after `t`. */
export function firstAt(xs: ArrayLike<number>, t: number): number {
  let [low, high] = [0, xs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle]! < t) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the point nearest to `t`; -1 where `t` lies in a gap or beyond both ends. */
export function nearest({ xs, gaps, windowMs }: Track, t: number): number {
  const after = firstAt(xs, t);
  const before = after - 1;
  const found = before < 0 || (after < xs.length && xs[after]! - t < t - xs[before]!) ? after : before;
  const silent = before < 0 || after >= xs.length || gaps[after] === 1;
  const distance = Math.abs((xs[found] ?? Infinity) - t);
  return silent && distance > Math.max(NEAR_MS, windowMs / 2) ? -1 : found;
}

/**
 * Readings of history with those that came live: each time once, in order. What came live belongs to it, too, where the
 * store is behind; but history that was thinned out stays so: of its time only what is newer than its end is added.
 */
export function joined(history: Track, live: Track): Track {
  const end = history.xs.at(-1) ?? -Infinity;
  const begin = history.whole ? 0 : firstAfter(live.xs, end);
  if (begin === live.xs.length) return history;
  if (history.xs.length === 0) return live;
  return merged(history, live, begin);
}

function merged(history: Track, live: Track, begin: number): Track {
  const most = history.xs.length + live.xs.length - begin;
  const [xs, ys] = [new Float64Array(most), new Float64Array(most)];
  let [h, l, n] = [0, begin, 0];
  while (h < history.xs.length || l < live.xs.length) {
    const [a, b] = [history.xs[h] ?? Infinity, live.xs[l] ?? Infinity];
    xs[n] = Math.min(a, b);
    ys[n] = a < b ? history.ys[h]! : live.ys[l]!; // at the same time the later one wins, as in the store
    if (a <= b) h += 1;
    if (b <= a) l += 1;
    n += 1;
  }
  return trackOf(xs.subarray(0, n), ys.subarray(0, n), history.whole);
}

function firstAfter(xs: Float64Array, t: number): number {
  const at = firstAt(xs, t);
  return xs[at] === t ? at + 1 : at;
}

/** Windows whose last ones were asked for again: the old up to there, then the new. */
export function withTail(old: Track, tail: Track): Track {
  const from = tail.starts?.[0];
  if (from === undefined) return old;
  const kept = firstAt(old.starts ?? [], from);
  const both = (one: Float64Array | null, other: Float64Array | null): Float64Array | null =>
    one === null || other === null ? null : concatenated(one.subarray(0, kept), other);
  const xs = concatenated(old.xs.subarray(0, kept), tail.xs);
  return {
    ...tail,
    xs,
    ys: concatenated(old.ys.subarray(0, kept), tail.ys),
    starts: both(old.starts, tail.starts),
    low: both(old.low, tail.low),
    high: both(old.high, tail.high),
    counts: both(old.counts, tail.counts),
    gaps: windowGaps(xs, tail.windowMs),
  };
}

function concatenated(one: Float64Array, other: Float64Array): Float64Array {
  const all = new Float64Array(one.length + other.length);
  all.set(one);
  all.set(other, one.length);
  return all;
}

/** What lies in `span`: for the legend, and for how high the picture has to be. */
export function summaryOf(track: Track, span: Span): Summary {
  let [min, max, sum, count] = [Infinity, -Infinity, 0, 0];
  const { ys, low, high, counts } = track;
  for (let i = firstAt(track.xs, span.from); i < track.xs.length && track.xs[i]! <= span.to; i += 1) {
    const weight = counts?.[i] ?? 1;
    if (Number.isNaN(ys[i]!)) continue;
    min = Math.min(min, low?.[i] ?? ys[i]!);
    max = Math.max(max, high?.[i] ?? ys[i]!);
    sum += ys[i]! * weight;
    count += weight;
  }
  return { min, max, mean: sum / count, count };
}

/** The same line at another time: an earlier period drawn over this one. */
export function shifted(track: Track, byMs: number): Track {
  if (byMs === 0) return track;
  return { ...track, xs: track.xs.map((x) => x + byMs), starts: track.starts?.map((start) => start + byMs) ?? null };
}
