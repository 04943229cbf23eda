// uPlot, set up once for all charts: quiet axes in the reader's time zone, one shared cursor. What is drawn is painter.ts's.
import uPlot from "uplot";
import { LEAST_RANGE } from "../figures/metrics";
import { formatNumber } from "../figures/numbers";
import type { Span } from "../readings/span";
import { paint } from "./painter";
import type { Stroke } from "./painter";
import { timeLabel } from "./labels";

export const AXIS_HEIGHT = 28;
/** All panels have the same edges, so that one moment is one vertical line through all of them. */
export const LEFT = 56;
export const RIGHT = 12;
const LABEL_HALF = 14;

export interface PlotColours {
  line: string;
  text: string;
  grid: string;
}

export interface PlotWishes {
  width: number;
  height: number;
  timeAxis: boolean;
  timeZone: string;
  colours: PlotColours;
  /** Called with the time under the pointer, null when it leaves. */
  onCursor(time: number | null): void;
  span(): Span;
  yRange(): [number, number];
  strokes(): readonly Stroke[];
}

/** The range of the y axis: the data with air around it, and never so narrow that noise looks like news. */
export function yRange(metric: string, low: number, high: number): [number, number] {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const least = LEAST_RANGE[metric] ?? Math.max(Math.abs(high) * 0.01, 1e-6);
  const air = Math.max((high - low) * 0.12, (least - (high - low)) / 2);
  return [low - air, high + air];
}

export function makePlot(wishes: PlotWishes, into: HTMLElement): uPlot {
  const { colours } = wishes;
  const options: uPlot.Options = {
    ms: 1,
    width: wishes.width,
    height: wishes.height,
    padding: [8, RIGHT, wishes.timeAxis ? 0 : 8, 0],
    legend: { show: false },
    tzDate: (ms) => uPlot.tzDate(new Date(ms), wishes.timeZone),
    cursor: {
      y: false,
      drag: { x: false, y: false, setScale: false },
      sync: { key: "device", scales: ["x", null], setSeries: false },
      hover: { prox: 24 },
      points: { size: 9, width: 2, fill: () => colours.line, stroke: () => colours.line },
    },
    scales: {
      x: { time: true, range: () => [wishes.span().from, wishes.span().to] },
      y: { range: () => wishes.yRange() },
    },
    axes: axes(wishes),
    series: [{}, { stroke: colours.line, paths: () => null, points: { show: false } }],
    hooks: {
      draw: [(plot) => paint(plot, wishes.strokes())],
      setCursor: [(plot) => wishes.onCursor(timeUnder(plot))],
    },
  };
  return new uPlot(options, [[], []], into);
}

function axes({ colours, timeAxis, timeZone }: PlotWishes): uPlot.Axis[] {
  const tick = { font: "12px system-ui, sans-serif", stroke: colours.text };
  const quiet = { ...tick, ticks: { show: false } };
  return [
    {
      ...quiet,
      show: timeAxis,
      size: AXIS_HEIGHT,
      gap: 7,
      space: 74,
      grid: { show: false },
      values: (plot, splits, _axis, _space, step) => timeLabels(plot, splits, step, timeZone),
    },
    {
      ...quiet,
      size: LEFT,
      gap: 8,
      space: 36,
      grid: { stroke: colours.grid, width: 1 },
      values: (_plot, splits) => splits.map((split) => formatNumber(split, decimals(splits))),
    },
  ];
}

function timeUnder({ cursor: { left }, posToVal }: uPlot): number | null {
  return left != null && left >= 0 ? posToVal(left, "x") : null;
}

/** As many as tell two labels apart: 0.025 apart needs three. */
function decimals(splits: readonly number[]): number {
  const step = Math.abs((splits[1] ?? 0) - (splits[0] ?? 0));
  if (!(step > 0)) return 1;
  let digits = 0;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-3) digits += 1;
  return digits;
}

/** A label that an edge would cut in half is left out. */
function timeLabels(plot: uPlot, splits: number[], stepMs: number, zone: string): (string | null)[] {
  const edge = plot.bbox.width / uPlot.pxRatio - LABEL_HALF;
  return splits.map((split) => (plot.valToPos(split, "x") > edge ? null : timeLabel(split, stepMs, zone)));
}
