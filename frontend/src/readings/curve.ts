// One metric's readings as what the chart draws: numbers only, gaps as null, no more points than pixels can show.
import { minMax } from "./downsample";
import type { Points } from "./downsample";
import { gapLimitMs, stretches } from "./gaps";
import { firstAtOrAfter } from "./merge";
import type { Row } from "./merge";

export interface Curve {
  /** Seconds since 1970, ascending. */
  xs: number[];
  /** null breaks the line. */
  ys: (number | null)[];
  min: number;
  max: number;
  mean: number;
  count: number;
}

/** A window is never shorter: two readings must not look like a history. */
const YOUNGEST_MS = 60_000;

export interface Span {
  from: number;
  to: number;
}

/** The window that is shown: the whole range, or for a device that is new, from its first reading on. */
export function windowOf(to: number, rangeMs: number, first: number | undefined): Span {
  const youngest = to - Math.min(rangeMs, YOUNGEST_MS);
  return { from: Math.max(to - rangeMs, Math.min(first ?? -Infinity, youngest)), to };
}

/** The points of `metric` inside `span` (ms). Neighbours just outside are the caller's to include by a wider span. */
export function pointsOf(rows: readonly Row[], metric: string, span: Span): Points {
  const points: Points = { xs: [], ys: [] };
  for (let i = firstAtOrAfter(rows, span.from); i < rows.length; i += 1) {
    const row = rows[i];
    if (row === undefined || row.t > span.to) break;
    const value = row.values[metric];
    if (typeof value !== "number") continue;
    points.xs.push(row.t);
    points.ys.push(value);
  }
  return points;
}

export function toCurve(points: Points, span: Span, widthPx: number): Curve {
  const curve: Curve = { xs: [], ys: [], ...summary(points.ys) };
  const sliceMs = (span.to - span.from) / Math.max(1, widthPx);
  const dense = points.xs.length > 2 * widthPx;
  for (const [from, to] of stretches(points.xs, gapLimitMs(points.xs))) {
    const part = dense
      ? minMax(points, from, to, sliceMs)
      : { xs: points.xs.slice(from, to), ys: points.ys.slice(from, to) };
    append(curve, part);
  }
  return curve;
}

function append(curve: Curve, part: Points): void {
  const before = curve.xs.at(-1);
  const first = part.xs[0];
  if (before !== undefined && first !== undefined) {
    curve.xs.push((before + first / 1000) / 2);
    curve.ys.push(null);
  }
  for (let i = 0; i < part.xs.length; i += 1) {
    curve.xs.push((part.xs[i] ?? 0) / 1000);
    curve.ys.push(part.ys[i] ?? null);
  }
}

function summary(ys: readonly number[]): Pick<Curve, "min" | "max" | "mean" | "count"> {
  let [min, max, sum] = [Infinity, -Infinity, 0];
  for (const y of ys) {
    if (y < min) min = y;
    if (y > max) max = y;
    sum += y;
  }
  return { min, max, mean: sum / ys.length, count: ys.length };
}
