// The stretch of time that a chart shows, and what zooming and panning make of it. All in epoch milliseconds.

export interface Span {
  from: number;
  to: number;
}

/** A chart follows the clock, so many seconds long, or stands on a stretch of time that somebody chose. */
export type View = { live: true; seconds: number } | { live: false; span: Span };

export const SHORTEST_MS = 1_000;
export const LONGEST_MS = 20 * 366 * 86_400_000;
/** A live chart is never shorter: two readings must not look like a history. */
const YOUNGEST_MS = 60_000;

export function lengthOf(span: Span): number {
  return span.to - span.from;
}

/** The whole range up to `now`; for a device that is new, from its first reading on. */
export function liveSpan(now: number, lengthMs: number, first: number | undefined): Span {
  const youngest = now - Math.min(lengthMs, YOUNGEST_MS);
  return { from: Math.max(now - lengthMs, Math.min(first ?? -Infinity, youngest)), to: now };
}

/** `factor` below 1 looks closer; the moment `at` stays where it is on the screen. */
export function zoomed(span: Span, factor: number, at: number, now: number): Span {
  const length = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, lengthOf(span) * factor));
  const share = (at - span.from) / lengthOf(span);
  const from = at - length * share;
  return within({ from, to: from + length }, now);
}

export function moved(span: Span, byMs: number, now: number): Span {
  return within({ from: span.from + byMs, to: span.to + byMs }, now);
}

/** Two moments in any order; null where they are too close to be meant. */
export function between(one: number, other: number, now: number): Span | null {
  const span = { from: Math.min(one, other), to: Math.max(one, other) };
  return lengthOf(span) < SHORTEST_MS ? null : within(span, now);
}

/** So much more on both sides: what panning is going to show next. */
export function widened(span: Span, share: number, now: number): Span {
  const more = lengthOf(span) * share;
  return { from: Math.max(0, span.from - more), to: Math.max(span.to, Math.min(now, span.to + more)) };
}

export function covers(outer: Span, inner: Span): boolean {
  return outer.from <= inner.from && outer.to >= inner.to;
}

/** Nothing was measured in the future, nor before 1970: there the chart stops. */
function within(span: Span, now: number): Span {
  const length = lengthOf(span);
  const to = Math.min(span.to, now);
  const from = Math.max(0, to - length);
  return { from, to: from + length };
}
