// How finely to ask for a stretch of time: every reading where there are few, windows where there are many.
import type { Span } from "./span";

const S = 1_000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

/** As the API writes them, with their usual length. Days and longer follow the calendar of the time zone. */
const WINDOWS = [
  ["1s", S], ["2s", 2 * S], ["5s", 5 * S], ["10s", 10 * S], ["15s", 15 * S], ["30s", 30 * S],
  ["1m", M], ["2m", 2 * M], ["5m", 5 * M], ["10m", 10 * M], ["15m", 15 * M], ["30m", 30 * M],
  ["1h", H], ["2h", 2 * H], ["3h", 3 * H], ["6h", 6 * H], ["12h", 12 * H],
  ["1d", D], ["1w", 7 * D], ["1mo", 30 * D],
] as const;

export type Every = (typeof WINDOWS)[number][0];
/** `auto` chooses by what a screen can show; `raw` wants readings as they were sent, however many are left out. */
export type Wanted = "auto" | "raw" | Every;
export type Resolution =
  | { kind: "points"; most: number }
  /** `asked`: the shorter windows that were wanted, where there would have been too many of them. */
  | { kind: "windows"; every: Every; asked: Every | null };

export interface Question {
  span: Span;
  widthPx: number;
  wanted: Wanted;
  /** Readings for each millisecond, as far as earlier answers told; null if none did. */
  density: number | null;
}

const POINTS_PER_PX = 2;
/** Thinned by the API up to here, windows beyond: a line through so few of so many would be an accident. */
const THINNED_UP_TO = 8;
const GUESSED_PER_MS = 1 / S;
const MOST_POINTS = 10_000;
const FEWEST_POINTS = 4;
const PX_PER_WINDOW = 2;
const MOST_WINDOWS = 9_000;

export function mostPoints(widthPx: number): number {
  return Math.min(MOST_POINTS, Math.max(FEWEST_POINTS, Math.round(POINTS_PER_PX * widthPx)));
}

export function choose({ span, widthPx, wanted, density }: Question): Resolution {
  const most = mostPoints(widthPx);
  const length = span.to - span.from;
  if (wanted === "raw") return { kind: "points", most };
  if (wanted !== "auto") return windows(length, Math.min(MOST_WINDOWS, most), wanted);
  const expected = (density ?? GUESSED_PER_MS) * length;
  return fewEnough(expected, most) ? { kind: "points", most } : windows(length, widthPx / PX_PER_WINDOW, null);
}

/** Whether so many readings are better shown themselves than as windows. */
export function fewEnough(readings: number, most: number): boolean {
  return readings <= THINNED_UP_TO * most;
}

export function lengthMs(every: Every): number {
  return WINDOWS.find(([name]) => name === every)?.[1] ?? D;
}

/** As people write it: 5 min, 2 h, 1 mo. */
export function wordsOf(every: Every): string {
  return every.replace(/^(\d+)m$/, "$1 min").replace(/^(\d+)([a-z]+)$/, "$1 $2");
}

/** Counted from 1970, whatever the zone; the longer ones are the calendar's. */
export function isFixed(every: Every): boolean {
  return lengthMs(every) < D;
}

function windows(length: number, most: number, wanted: Every | null): Resolution {
  const least = wanted === null ? 0 : lengthMs(wanted);
  const found = WINDOWS.find(([, ms]) => ms >= least && length / ms <= most) ?? WINDOWS.at(-1)!;
  return { kind: "windows", every: found[0], asked: wanted !== null && found[0] !== wanted ? wanted : null };
}

/** The range to ask for, so that no window that is seen is cut by its edge. */
export function uncut(span: Span, every: Every): Span {
  const ms = lengthMs(every);
  return { from: Math.max(0, isFixed(every) ? Math.floor(span.from / ms) * ms : span.from - ms), to: span.to };
}
