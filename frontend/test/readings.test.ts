// History and live as one list, and as a curve: each reading once, gaps open, peaks kept.
import { expect, test } from "vitest";
import { minMax } from "../src/readings/downsample";
import { pointsOf, toCurve, windowOf } from "../src/readings/curve";
import { gapLimitMs, medianInterval, stretches } from "../src/readings/gaps";
import { firstAtOrAfter, mergeRows, sortRows, toRow, trimRows } from "../src/readings/merge";
import type { Row } from "../src/readings/merge";
import { RecentReadings, Spark } from "../src/readings/recent";
import { toMs } from "../src/readings/timestamps";

const START = Date.parse("2026-01-01T00:00:00Z");

function row(ms: number, values: Row["values"] = { temperature: 1 }): Row {
  const timestamp = `${new Date(START + ms).toISOString().slice(0, 23)}000000Z`;
  return { timestamp, t: START + ms, values };
}

const times = (rows: readonly Row[]): number[] => rows.map(({ t }) => t - START);

test("nanosecond timestamps keep their order and their fraction", () => {
  expect(toMs("2026-01-01T00:00:00.123000000Z")).toBe(START + 123);
  expect(toMs("2026-01-01T00:00:00.000500000Z")).toBeCloseTo(START + 0.5, 3);
  expect(toMs("2026-01-01T00:00:00Z")).toBe(START);
  expect(toMs("yesterday")).toBeNaN();
});

test("a reading that came by history and by live is there once", () => {
  const history = [row(0), row(1000), row(2000)];
  const live = [row(1000), row(2000), row(3000)];
  expect(times(mergeRows(history, live))).toEqual([0, 1000, 2000, 3000]);
  expect(times(mergeRows(live, history))).toEqual([0, 1000, 2000, 3000]);
});

test("the same moment from two messages becomes one row with both their fields, the later wins", () => {
  const merged = mergeRows([row(0, { temperature: 1, humidity: 5 })], [row(0, { temperature: 2, pressure: 3 })]);
  expect(merged.map(({ values }) => values)).toEqual([{ temperature: 2, humidity: 5, pressure: 3 }]);
});

test("two readings in one millisecond but not in one nanosecond are two", () => {
  const reading = { device_id: "d", measurement: "m", values: {} };
  const rows = ["000000002", "000000001"].map((ns) => toRow({ ...reading, timestamp: `2026-01-01T00:00:00.${ns}Z` }));
  expect(sortRows(rows).map(({ timestamp }) => timestamp.slice(-4))).toEqual(["001Z", "002Z"]);
});

test("late data takes its place in time", () => {
  expect(times(mergeRows([row(0), row(5000)], [row(2000)]))).toEqual([0, 2000, 5000]);
});

test("trimming drops what is older, and leaves a list alone that has nothing older", () => {
  const rows = [row(0), row(1000), row(2000)];
  expect(times(trimRows(rows, START + 1000))).toEqual([1000, 2000]);
  expect(trimRows(rows, START)).toBe(rows);
  expect(firstAtOrAfter(rows, START + 1)).toBe(1);
  expect(firstAtOrAfter(rows, START + 9000)).toBe(3);
});

test("a gap is five usual intervals, but never less than ten seconds", () => {
  const every = (ms: number): number[] => Array.from({ length: 50 }, (_, i) => i * ms);
  expect(medianInterval(every(1000))).toBe(1000);
  expect(gapLimitMs(every(1000))).toBe(10_000);
  expect(gapLimitMs(every(60_000))).toBe(300_000);
  expect(gapLimitMs([])).toBe(10_000);
  expect(medianInterval(every(1000).concat(10 ** 9))).toBe(1000);
});

test("silence divides a line into stretches", () => {
  expect(stretches([0, 1, 2, 50, 51], 10)).toEqual([[0, 3], [3, 5]]);
  expect(stretches([], 10)).toEqual([]);
});

test("a curve is open where nothing was measured", () => {
  const rows = [row(0), row(1000), row(2000), row(40_000), row(41_000)];
  const span = { from: START, to: START + 60_000 };
  const curve = toCurve(pointsOf(rows, "temperature", span), span, 600);
  expect(curve.ys).toEqual([1, 1, 1, null, 1, 1]);
  expect(curve.xs[3]).toBe((START + 21_000) / 1000);
  expect(curve.count).toBe(5);
});

test("a metric that every second reading lacks is still one line", () => {
  const rows = Array.from({ length: 10 }, (_, i) => row(i * 1000, i % 2 === 0 ? { a: i } : { b: true, c: "x" }));
  const span = { from: START, to: START + 10_000 };
  expect(toCurve(pointsOf(rows, "a", span), span, 600).ys).toEqual([0, 2, 4, 6, 8]);
  expect(pointsOf(rows, "b", span).ys).toEqual([]);
});

test("the window is the whole range, or begins with a new device's first reading, but never shorter than a minute", () => {
  expect(windowOf(900_000, 600_000, undefined)).toEqual({ from: 300_000, to: 900_000 });
  expect(windowOf(900_000, 600_000, 100_000)).toEqual({ from: 300_000, to: 900_000 });
  expect(windowOf(900_000, 600_000, 700_000)).toEqual({ from: 700_000, to: 900_000 });
  expect(windowOf(900_000, 600_000, 890_000)).toEqual({ from: 840_000, to: 900_000 });
});

test("only what lies in the window is drawn and counted", () => {
  const rows = [row(0, { a: 100 }), row(1000, { a: 2 }), row(2000, { a: 4 }), row(3000, { a: 100 })];
  const span = { from: START + 1000, to: START + 2000 };
  expect(toCurve(pointsOf(rows, "a", span), span, 600)).toMatchObject({ min: 2, max: 4, mean: 3, count: 2 });
});

test("thinning keeps every peak, the order of time, and both ends", () => {
  const n = 10_000;
  const points = { xs: Array.from({ length: n }, (_, i) => i), ys: Array.from({ length: n }, (_, i) => Math.sin(i)) };
  points.ys[4321] = 99;
  points.ys[8765] = -99;
  const thin = minMax(points, 0, n, 100);
  expect(thin.xs.length).toBeLessThanOrEqual(400);
  expect(thin.ys).toContain(99);
  expect(thin.ys).toContain(-99);
  expect([...thin.xs].sort((a, b) => a - b)).toEqual(thin.xs);
  expect([thin.xs[0], thin.xs.at(-1)]).toEqual([0, n - 1]);
});

test("a moving window thins the same data to the same points", () => {
  const points = { xs: Array.from({ length: 500 }, (_, i) => i), ys: Array.from({ length: 500 }, (_, i) => (i * 37) % 101) };
  const whole = minMax(points, 0, 500, 50);
  const later = minMax(points, 100, 500, 50);
  expect(later.xs).toEqual(whole.xs.filter((x) => x >= 100));
});

test("a device that talks without end keeps a bounded memory of it", () => {
  const recent = new RecentReadings();
  const spark = new Spark();
  for (let i = 0; i < 50_000; i += 1) {
    recent.add({ device_id: "d", measurement: "m", timestamp: String(i), values: {} }, i * 10);
    spark.add(i * 10, i);
  }
  expect(recent.list().length).toBeLessThanOrEqual(200);
  expect(recent.list().at(-1)?.timestamp).toBe("49999");
  expect(spark.points.length).toBeLessThanOrEqual(121);
});

test("a sparkline takes history in front of what is already live", () => {
  const spark = new Spark();
  spark.add(10_000, 3);
  spark.prepend([[0, 1], [5_000, 2], [10_000, 9]]);
  expect(spark.points).toEqual([[0, 1], [5_000, 2], [10_000, 3]]);
});
