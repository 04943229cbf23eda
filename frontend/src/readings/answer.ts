// What is asked for a chart, and whether an answer that is there is good enough for what is wished now. No I/O.
import type { Columns, SeriesQuestion } from "../api/series";
import { choose, uncut } from "./resolution";
import type { Resolution, Wanted } from "./resolution";
import { covers, lengthOf, widened } from "./span";
import type { Span } from "./span";
import { trackOf } from "./track";
import type { Track } from "./track";
import { aggregatesFor, windowTrack } from "./windows";
import type { Drawn } from "./windows";

export interface Wish {
  deviceId: string;
  metrics: readonly string[];
  span: Span;
  widthPx: number;
  wanted: Wanted;
  drawn: Drawn;
  timeZone: string;
}

export interface Answer {
  wish: Wish;
  asked: Span;
  /** It reaches up to the moment in which it was asked for: what came afterwards came live. */
  open: boolean;
  resolution: Resolution;
  tracks: Map<string, Track>;
}

/** So much more than the screen shows, on both sides: a short pan needs no waiting. */
const MARGIN = 0.3;
const MOST_OF_ALL = 10_000;
/** A thinned line is asked for anew when one looks closer, or from farther away, by this. */
const CLOSER = 1.2;
const FARTHER = 0.5;

export function rangeOf(wish: Wish, resolution: Resolution, now: number): Span {
  const wide = widened(wish.span, MARGIN, Math.max(now, wish.span.to));
  return resolution.kind === "windows" ? uncut(wide, resolution.every) : wide;
}

/** As many for each pixel in the margins as on the screen. */
export function mostIn(resolution: { most: number }, wish: Wish, asked: Span): number {
  return Math.min(MOST_OF_ALL, Math.round((resolution.most * lengthOf(asked)) / Math.max(1, lengthOf(wish.span))));
}

export function questionOf(wish: Wish, resolution: Resolution, span: Span): SeriesQuestion {
  const { deviceId, metrics, timeZone } = wish;
  const question = { deviceId, metrics, span, timeZone };
  if (resolution.kind === "points") return { ...question, maxPoints: mostIn(resolution, wish, span) };
  return { ...question, every: resolution.every, aggregates: aggregatesFor(wish.drawn) };
}

export function answerOf(wish: Wish, resolution: Resolution, asked: Span, begun: number, found: Map<string, Columns>): Answer {
  const track = (columns: Columns): Track => trackFrom(columns, wish, resolution, asked);
  const tracks = new Map([...found].map(([metric, columns]) => [metric, track(columns)]));
  return { wish, asked, open: asked.to >= begun - 1, resolution, tracks };
}

export function trackFrom(columns: Columns, wish: Wish, resolution: Resolution, asked: Span): Track {
  if (resolution.kind === "windows") return windowTrack(columns, wish.drawn, resolution.every, asked);
  return trackOf(columns.times, columns.columns[0] ?? new Float64Array(), columns.times.length < mostIn(resolution, wish, asked));
}

/** The API left points out of a line. */
export function isThinned({ tracks }: Answer): boolean {
  return [...tracks.values()].some(({ whole }) => !whole);
}

/** Whether what is there shows all that is wished, as finely as it should. */
export function suffices(answer: Answer, wish: Wish, density: number | null): boolean {
  const { wish: had, asked, open } = answer;
  if (had.wanted !== wish.wanted || had.drawn !== wish.drawn || had.timeZone !== wish.timeZone) return false;
  if (wish.metrics.some((metric) => !had.metrics.includes(metric))) return false;
  const end = open ? Math.min(asked.to, wish.span.to) : wish.span.to;
  return covers(asked, { from: wish.span.from, to: end }) && fineEnough(answer, wish, density);
}

function fineEnough(answer: Answer, wish: Wish, density: number | null): boolean {
  const { wish: had, resolution } = answer;
  const now = choose({ ...wish, density });
  if (resolution.kind === "windows") return now.kind === "windows" && now.every === resolution.every;
  if (!isThinned(answer)) return true;
  const closer = (lengthOf(had.span) * wish.widthPx) / (lengthOf(wish.span) * had.widthPx);
  return now.kind === "points" && closer < CLOSER && closer > FARTHER;
}

/** How many readings the fullest line of an answer stands for. */
export function fullest({ tracks }: Answer): number {
  let most = 0;
  for (const { xs, counts } of tracks.values()) {
    most = Math.max(most, counts === null ? xs.length : counts.reduce((sum, n) => sum + n, 0));
  }
  return most;
}
