// uPlot, set up once for all charts of the page: quiet axes, a filled line, gaps left open, one shared cursor.
import uPlot from "uplot";
import { formatNumber } from "../figures/numbers";
import type { Curve, Span } from "../readings/curve";

export const AXIS_HEIGHT = 26;
const LEFT = 56;
const LABEL_HALF = 14;
const LEAST_RANGE: Record<string, number> = { temperature: 1, humidity: 2, pressure: 1 };

export interface PlotColours {
  line: string;
  text: string;
  grid: string;
}

export interface PlotWishes {
  metric: string;
  width: number;
  height: number;
  timeAxis: boolean;
  colours: PlotColours;
  /** Called with the time under the cursor in seconds, null when it leaves. */
  onCursor(index: number | null): void;
  /** What the time axis spans at this moment. */
  span(): Span;
}

/** The range of the y axis: the data with air around it, and never so narrow that noise looks like news. */
export function yRange(metric: string, low: number, high: number): [number, number] {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const least = LEAST_RANGE[metric] ?? Math.max(Math.abs(high) * 0.01, 1e-6);
  const air = Math.max((high - low) * 0.12, (least - (high - low)) / 2);
  return [low - air, high + air];
}

export function makePlot(wishes: PlotWishes, into: HTMLElement): uPlot {
  const { colours, metric } = wishes;
  const tick = { font: "12px system-ui, sans-serif", stroke: colours.text };
  const options: uPlot.Options = {
    width: wishes.width,
    height: wishes.height,
    padding: [8, 10, wishes.timeAxis ? 0 : 8, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false, setScale: false },
      sync: { key: "device", scales: ["x", null], setSeries: false },
      points: { size: 9, width: 2, fill: () => colours.line },
    },
    scales: {
      x: { time: true, range: () => [wishes.span().from / 1000, wishes.span().to / 1000] },
      y: { range: (_plot, low, high) => yRange(metric, low, high) },
    },
    axes: [
      {
        ...tick,
        show: wishes.timeAxis,
        size: AXIS_HEIGHT,
        gap: 6,
        space: 84,
        grid: { show: false },
        ticks: { show: false },
        values: timeLabels,
      },
      {
        ...tick,
        size: LEFT,
        gap: 8,
        space: 26,
        grid: { stroke: colours.grid, width: 1 },
        ticks: { show: false },
        values: (_plot, splits) => splits.map((split) => formatNumber(split, decimals(splits))),
      },
    ],
    series: [
      {},
      {
        stroke: colours.line,
        width: 1.75,
        spanGaps: false,
        points: { show: lonely, size: 5, fill: colours.line, width: 0 },
        fill: (plot) => fade(plot, colours.line),
      },
    ],
    hooks: { setCursor: [(plot) => wishes.onCursor(plot.cursor.left != null && plot.cursor.left >= 0 ? (plot.cursor.idx ?? null) : null)] },
  };
  return new uPlot(options, [[], []], into);
}

export function plotData(curve: Curve): uPlot.AlignedData {
  return [curve.xs, curve.ys];
}

/** Points are drawn where there are few: a single reading makes no line. */
function lonely(plot: uPlot): boolean {
  return plot.data[0].length <= 40;
}

/** As many as tell two labels apart: 0.025 apart needs three. */
function decimals(splits: readonly number[]): number {
  const step = Math.abs((splits[1] ?? 0) - (splits[0] ?? 0));
  if (!(step > 0)) return 1;
  let digits = 0;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-3) digits += 1;
  return digits;
}

const withSeconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const withMinutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** A label that the edge would cut in half is left out. */
function timeLabels(plot: uPlot, splits: number[]): (string | null)[] {
  const format = splits.some((split) => split % 60 !== 0) ? withSeconds : withMinutes;
  const edge = plot.bbox.width / uPlot.pxRatio - LABEL_HALF;
  return splits.map((split) => (plot.valToPos(split, "x") > edge ? null : format.format(split * 1000)));
}

function fade(plot: uPlot, colour: string): CanvasGradient | string {
  const { top, height } = plot.bbox;
  if (!Number.isFinite(top) || !(height > 0)) return "transparent";
  const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
  gradient.addColorStop(0, `${colour}33`);
  gradient.addColorStop(1, `${colour}00`);
  return gradient;
}
