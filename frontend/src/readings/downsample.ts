// Fewer points than a screen has pixels, without losing a peak: each slice of time keeps its first, lowest, highest, last.

export interface Points {
  xs: number[];
  ys: number[];
}

/** Points of [from, to) as at most 4 per slice of `sliceMs`. Slices are fixed in time, so that a moving chart does not shimmer. */
export function minMax(points: Points, from: number, to: number, sliceMs: number): Points {
  const out: Points = { xs: [], ys: [] };
  let start = from;
  while (start < to) {
    const slice = Math.floor((points.xs[start] ?? 0) / sliceMs);
    let end = start + 1;
    while (end < to && Math.floor((points.xs[end] ?? 0) / sliceMs) === slice) end += 1;
    for (const index of extremes(points.ys, start, end)) {
      out.xs.push(points.xs[index] ?? 0);
      out.ys.push(points.ys[index] ?? 0);
    }
    start = end;
  }
  return out;
}

function extremes(ys: readonly number[], start: number, end: number): number[] {
  let low = start;
  let high = start;
  for (let i = start + 1; i < end; i += 1) {
    if ((ys[i] ?? 0) < (ys[low] ?? 0)) low = i;
    if ((ys[i] ?? 0) > (ys[high] ?? 0)) high = i;
  }
  return [...new Set([start, Math.min(low, high), Math.max(low, high), end - 1])];
}
