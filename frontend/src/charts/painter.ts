// Draws lines, bands and single points on a chart's canvas: open where nothing was measured.
import type uPlot from "uplot";
import { firstAt } from "../readings/track";
import type { Track } from "../readings/track";

export interface Stroke {
  track: Track;
  colour: string;
  /** Of something that is compared with: dashed, and without a filling. */
  dashed: boolean;
}

const WIDTH = 1.75;
const LONELY_RADIUS = 2.6;
/** Below this many points on the screen each one is marked. */
const FEW = 40;

export function paint(plot: uPlot, strokes: readonly Stroke[]): void {
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  ctx.lineJoin = "round";
  for (const stroke of strokes) paintOne(plot, stroke);
  ctx.restore();
}

/** The runs of points that are seen, with one more on both sides, so that lines enter from the edge. */
function* runs({ xs, ys, gaps }: Track, from: number, to: number): Generator<[number, number]> {
  const begin = Math.max(0, firstAt(xs, from) - 1);
  const end = Math.min(xs.length, firstAt(xs, to) + 1);
  let start = begin;
  for (let i = begin; i < end; i += 1) {
    const broken = i > start && gaps[i] === 1;
    const hole = Number.isNaN(ys[i]!);
    if (broken || hole) {
      if (i > start) yield [start, i];
      start = hole ? i + 1 : i;
    }
  }
  if (end > start) yield [start, end];
}

function paintOne(plot: uPlot, { track, colour, dashed }: Stroke): void {
  const { ctx } = plot;
  const { min, max } = plot.scales["x"]!;
  const ratio = devicePixelRatio;
  const x = (i: number): number => plot.valToPos(track.xs[i]!, "x", true);
  const y = (value: number): number => plot.valToPos(value, "y", true);
  const found = [...runs(track, min ?? 0, max ?? 0)];
  const few = found.reduce((sum, [from, to]) => sum + to - from, 0) <= FEW;
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  ctx.lineWidth = WIDTH * ratio;
  ctx.setLineDash(dashed ? [5 * ratio, 4 * ratio] : []);
  if (track.low !== null && track.high !== null) for (const run of found) band(ctx, run, x, (i) => y(track.low![i]!), (i) => y(track.high![i]!), dashed);
  ctx.beginPath();
  for (const [from, to] of found) for (let i = from; i < to; i += 1) (i === from ? ctx.moveTo : ctx.lineTo).call(ctx, x(i), y(track.ys[i]!));
  ctx.stroke();
  ctx.beginPath();
  for (const [from, to] of found) {
    if (!few && to - from > 1) continue;
    for (let i = from; i < to; i += 1) dot(ctx, x(i), y(track.ys[i]!), LONELY_RADIUS * ratio);
  }
  ctx.fill();
}

function band(
  ctx: CanvasRenderingContext2D,
  [from, to]: [number, number],
  x: (i: number) => number,
  low: (i: number) => number,
  high: (i: number) => number,
  faint: boolean,
): void {
  ctx.globalAlpha = faint ? 0.1 : 0.2;
  ctx.beginPath();
  for (let i = from; i < to; i += 1) ctx.lineTo(x(i), high(i));
  for (let i = to - 1; i >= from; i -= 1) ctx.lineTo(x(i), low(i));
  ctx.fill();
  ctx.globalAlpha = 1;
}

function dot(ctx: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  ctx.moveTo(x + radius, y);
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
}
