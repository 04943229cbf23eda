// Windows as the API answers them, as a line: at the middle of each, with the least and the greatest around it.
import type { Columns } from "../api/series";
import type { Aggregate } from "../api/series";
import { isFixed, lengthMs } from "./resolution";
import type { Every } from "./resolution";
import type { Span } from "./span";
import { windowGaps } from "./track";
import type { Track } from "./track";

/** What is drawn of each window: the mean within its least and greatest, or one aggregate alone. */
export type Drawn = "band" | Aggregate;

/** `count` comes last, always: it tells how dense readings are. */
export function aggregatesFor(drawn: Drawn): Aggregate[] {
  return drawn === "band" ? ["mean", "min", "max", "count"] : drawn === "count" ? ["count"] : [drawn, "count"];
}

/** `asked`: what was asked for; a calendar's window that begins before it may be cut, and is left out. */
export function windowTrack({ times, columns }: Columns, drawn: Drawn, every: Every, asked: Span): Track {
  const windowMs = lengthMs(every);
  const begin = isFixed(every) ? 0 : Math.max(0, times.findIndex((time) => time > asked.from));
  const part = (column: Float64Array | undefined): Float64Array => (column ?? new Float64Array()).subarray(begin);
  const starts = part(times);
  const xs = starts.map((start) => start + Math.min(windowMs, Math.max(0, asked.to - start)) / 2);
  return {
    xs,
    ys: part(columns[0]),
    starts,
    low: drawn === "band" ? part(columns[1]) : null,
    high: drawn === "band" ? part(columns[2]) : null,
    counts: part(columns.at(-1)),
    gaps: windowGaps(starts, windowMs),
    windowMs,
    whole: true,
  };
}

/** Where to ask again from, so that the last windows are whole: from the beginning of the last but one. */
export function tailFrom(track: Track, every: Every): number | null {
  return isFixed(every) ? (track.starts?.at(-2) ?? null) : null;
}

/** How long the newest windows may stand before they are asked for again. */
export function refreshMs(every: Every): number {
  const ms = lengthMs(every);
  return isFixed(every) ? Math.min(60_000, Math.max(2_000, ms / 10)) : 5 * 60_000;
}
