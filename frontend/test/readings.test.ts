// What becomes of readings before they are drawn: order, identity, gaps, and memory that stays bounded.
import { expect, test } from "vitest";
import type { LiveReading } from "../src/live/messages";
import { gapsOf } from "../src/readings/gaps";
import { RecentReadings, Spark } from "../src/readings/recent";
import { Stream } from "../src/readings/stream";
import { toMs, toUs } from "../src/readings/timestamps";
import { EMPTY, joined, nearest, shifted, summaryOf, trackOf, withTail } from "../src/readings/track";
import type { Track } from "../src/readings/track";

const START = Date.parse("2026-01-01T00:00:00Z");

function line(...points: [x: number, y: number][]): Track {
  return trackOf(Float64Array.from(points, ([x]) => x), Float64Array.from(points, ([, y]) => y));
}

function points({ xs, ys }: Track): [number, number][] {
  return Array.from(xs, (x, i) => [x, ys[i]!]);
}

function reading(timestamp: string, values: LiveReading["values"]): LiveReading {
  return { device_id: "d", timestamp, measurement: "m", values };
}

function everyMs(step: number, number: number, from = 0): number[] {
  return Array.from({ length: number }, (_, i) => from + i * step);
}

function breaks(xs: number[]): number[] {
  return [...gapsOf(xs)].flatMap((gap, i) => (gap === 1 ? [i] : []));
}

test("timestamps with nine digits become milliseconds with their fraction, and whole microseconds", () => {
  expect(toMs("2026-01-01T00:00:00.123456789Z")).toBeCloseTo(START + 123.456789, 3);
  expect(toMs("2026-01-01T00:00:00Z")).toBe(START);
  expect(toMs("yesterday")).toBeNaN();
  expect(toUs("2026-01-01T00:00:00.123456999Z")).toBe(START * 1000 + 123_456);
  expect(toUs("2026-01-01T00:00:00.1Z")).toBe(START * 1000 + 100_000);
  expect(toUs("2026-01-01T00:00:00Z")).toBe(START * 1000);
});

test("a reading that came by history and by live is there once, whichever has more", () => {
  const history = line([0, 1], [1000, 2], [2000, 3]);
  const live = line([1000, 2], [2000, 3], [3000, 4]);
  expect(points(joined(history, live))).toEqual([[0, 1], [1000, 2], [2000, 3], [3000, 4]]);
  expect(points(joined(live, history))).toEqual([[0, 1], [1000, 2], [2000, 3], [3000, 4]]);
  expect(joined(history, EMPTY)).toBe(history);
  expect(joined(EMPTY, live)).toBe(live);
});

test("what came live before history's end, and is not in it yet, takes its place in time", () => {
  expect(points(joined(line([0, 1], [3000, 4]), line([1000, 2], [2000, 3])))).toEqual([[0, 1], [1000, 2], [2000, 3], [3000, 4]]);
});

test("history that was thinned out stays thin: only what is newer than its end is added", () => {
  const thinned = { ...line([0, 1], [3000, 4]), whole: false };
  const both = joined(thinned, line([1000, 2], [3000, 4], [4000, 5]));
  expect(points(both)).toEqual([[0, 1], [3000, 4], [4000, 5]]);
  expect(both.whole).toBe(false);
});

test("live readings are kept in order of time, the later word on one moment counts, words are no numbers", () => {
  const stream = new Stream();
  stream.take([reading("2026-01-01T00:00:02.000000000Z", { a: 2, word: "x" }), reading("2026-01-01T00:00:01.000000000Z", { a: 1 })]);
  stream.take([reading("2026-01-01T00:00:02.000000000Z", { a: 3, b: 1 })]);
  expect(points(stream.track("a")!)).toEqual([[START + 1000, 1], [START + 2000, 3]]);
  expect(stream.track("word")).toBeUndefined();
});

test("a stream forgets what is older than it is told to keep, and grows beyond its first room", () => {
  const stream = new Stream();
  for (let i = 0; i < 1000; i += 1) stream.take([reading(new Date(START + i * 1000).toISOString(), { a: i })]);
  expect(stream.track("a")!.xs.length).toBe(1000);
  stream.dropBefore(START + 990_000);
  expect(points(stream.track("a")!).map(([, y]) => y)).toEqual([990, 991, 992, 993, 994, 995, 996, 997, 998, 999]);
});

test("a stream that nobody tells to forget is bounded all the same, and keeps the newest", () => {
  const stream = new Stream();
  for (let i = 0; i < 200_000; i += 1) stream.take([reading(new Date(START + i * 1000).toISOString(), { a: i })]);
  const { xs, ys } = stream.track("a")!;
  expect(xs.length).toBeLessThan(70_000);
  expect(xs.at(-1)).toBe(START + 199_999_000);
  expect([ys.at(-50_000), ys.at(-1)]).toEqual([150_000, 199_999]);
});

test("a gap is five usual steps, but never less than ten seconds", () => {
  expect(breaks([...everyMs(1000, 20), ...everyMs(1000, 20, 29_500)])).toEqual([20]);
  expect(breaks([...everyMs(1000, 20), ...everyMs(1000, 20, 28_500)])).toEqual([]);
  expect(breaks([...everyMs(60_000, 20), ...everyMs(60_000, 20, 19 * 60_000 + 300_000)])).toEqual([]);
  expect(breaks([...everyMs(60_000, 20), ...everyMs(60_000, 20, 19 * 60_000 + 301_000)])).toEqual([20]);
  expect(breaks([0, 3_600_000])).toEqual([]);
  expect(breaks([])).toEqual([]);
});

test("a device that changed its pace has no gap there, and slow readings beside quick ones are no gaps", () => {
  expect(breaks([...everyMs(60_000, 100), ...everyMs(1000, 3000, 100 * 60_000)])).toEqual([]);
});

test("a single reading amid silence is cut off on both sides", () => {
  expect(breaks([...everyMs(1000, 20), 120_000, ...everyMs(1000, 20, 240_000)])).toEqual([20, 21]);
});

test("the pointer finds the nearest point, but nothing in a gap or beyond the ends", () => {
  const track = line(...everyMs(1000, 20).map((x): [number, number] => [x, x]), ...everyMs(1000, 20, 100_000).map((x): [number, number] => [x, x]));
  expect(nearest(track, 4_400)).toBe(4);
  expect(nearest(track, 4_600)).toBe(5);
  expect(nearest(track, 60_000)).toBe(-1);
  expect(nearest(track, 300_000)).toBe(-1);
  expect(nearest(EMPTY, 0)).toBe(-1);
});

test("only what lies in the span is summed up; windows count for as many readings as they hold", () => {
  expect(summaryOf(line([0, 100], [1000, 2], [2000, 4], [3000, 100]), { from: 1000, to: 2000 })).toEqual({ min: 2, max: 4, mean: 3, count: 2 });
  const windows: Track = { ...line([0, 10], [1000, 20]), low: Float64Array.of(5, 19), high: Float64Array.of(11, 30), counts: Float64Array.of(3, 1) };
  expect(summaryOf(windows, { from: 0, to: 5000 })).toEqual({ min: 5, max: 30, mean: 12.5, count: 4 });
  const holes = { ...line([0, 1], [1000, Number.NaN]), counts: Float64Array.of(1, 1) };
  expect(summaryOf(holes, { from: 0, to: 5000 })).toMatchObject({ mean: 1, count: 1 });
});

test("the newest windows replace what they were before, and the older ones stay", () => {
  const windows = (...rows: [number, number, number][]): Track => ({
    ...line(...rows.map(([x, y]): [number, number] => [x, y])),
    starts: Float64Array.from(rows, ([x]) => Math.floor(x / 1000) * 1000),
    low: Float64Array.from(rows, ([, y]) => y - 1),
    high: Float64Array.from(rows, ([, y]) => y + 1),
    counts: Float64Array.from(rows, ([, , n]) => n),
    windowMs: 1000,
  });
  const after = withTail(windows([500, 1, 9], [1500, 2, 9], [2200, 3, 4]), windows([1500, 2, 9], [2500, 5, 9], [3100, 6, 2]));
  expect(points(after)).toEqual([[500, 1], [1500, 2], [2500, 5], [3100, 6]]);
  expect([...after.starts!]).toEqual([0, 1000, 2000, 3000]);
  expect([...after.low!]).toEqual([0, 1, 4, 5]);
  expect([...after.counts!]).toEqual([9, 9, 9, 2]);
  expect(withTail(after, EMPTY)).toBe(after);
});

test("a line is moved in time without changing it", () => {
  const track = line([0, 1], [1000, 2]);
  expect(points(shifted(track, 500))).toEqual([[500, 1], [1500, 2]]);
  expect([...shifted({ ...track, starts: track.xs }, 500).starts!]).toEqual([500, 1500]);
  expect(shifted(track, 0)).toBe(track);
  expect(points(track)).toEqual([[0, 1], [1000, 2]]);
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
