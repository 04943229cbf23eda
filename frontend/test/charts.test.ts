// What a chart asks for, and what zooming, panning and comparing make of a stretch of time.
import { expect, test } from "vitest";
import { columnsOf } from "../src/api/series";
import { momentLabel, spanLabel, stamp, ticksOf, timeLabel } from "../src/charts/labels";
import { answerOf, fullest, isThinned, mostIn, questionOf, rangeOf, suffices } from "../src/readings/answer";
import type { Wish } from "../src/readings/answer";
import { nameOf, shiftMs } from "../src/readings/comparison";
import { choose, fewEnough, lengthMs, uncut, wordsOf } from "../src/readings/resolution";
import type { Wanted } from "../src/readings/resolution";
import { SHORTEST_MS, between, lengthOf, liveSpan, moved, widened, zoomed } from "../src/readings/span";
import { aggregatesFor, refreshMs, tailFrom, windowTrack } from "../src/readings/windows";
import { clockAt, fieldOf, momentIn, momentOf } from "../src/readings/zone";

const H = 3_600_000;
const D = 24 * H;
const NOW = Date.parse("2026-03-29T12:00:00Z");
const BERLIN = "Europe/Berlin";

function wish(changes: Partial<Wish> = {}): Wish {
  return { deviceId: "d", metrics: ["a"], span: { from: NOW - H, to: NOW }, widthPx: 1000, wanted: "auto", drawn: "band", timeZone: "UTC", ...changes };
}

function asked(lengthInMs: number, widthPx: number, wanted: Wanted = "auto", density: number | null = null) {
  return choose({ span: { from: NOW - lengthInMs, to: NOW }, widthPx, wanted, density });
}

test("few readings are asked for themselves, many as windows, and never more than two points for a pixel", () => {
  expect(asked(H, 1000)).toEqual({ kind: "points", most: 2000 });
  expect(asked(D, 1000)).toEqual({ kind: "windows", every: "5m", asked: null });
  expect(asked(D, 1000, "auto", 1 / 60_000)).toEqual({ kind: "points", most: 2000 });
  expect(asked(H, 1000, "auto", 50 / 1000)).toEqual({ kind: "windows", every: "10s", asked: null });
  expect(asked(365 * D, 300, "raw")).toEqual({ kind: "points", most: 600 });
  for (const length of [60_000, H, D, 30 * D, 365 * D, 3650 * D]) {
    for (const widthPx of [320, 1280, 2560]) {
      const found = asked(length, widthPx, "auto", 1);
      if (found.kind === "windows") expect(length / lengthMs(found.every)).toBeLessThanOrEqual(widthPx / 2);
      else expect(found.most).toBeLessThanOrEqual(2 * widthPx);
    }
  }
});

test("windows of one's own choosing are kept as long as a screen can show them, and widened where it can't", () => {
  expect(asked(D, 1000, "1h")).toEqual({ kind: "windows", every: "1h", asked: null });
  expect(asked(30 * D, 1000, "1m")).toEqual({ kind: "windows", every: "30m", asked: "1m" });
  expect(asked(365 * D, 300, "1mo")).toEqual({ kind: "windows", every: "1mo", asked: null });
  expect(["30s", "5m", "2h", "1mo"].map((every) => wordsOf(every as "5m"))).toEqual(["30 s", "5 min", "2 h", "1 mo"]);
});

test("windows are asked for whole: from the beginning of the first one that is seen", () => {
  expect(uncut({ from: NOW + 61_000, to: NOW + H }, "1m").from).toBe(NOW + 60_000);
  expect(uncut({ from: NOW, to: NOW + 9 * D }, "1d").from).toBe(NOW - D);
});

test("zooming keeps the moment under the pointer, and stops at a second and at now", () => {
  const span = { from: NOW - 10 * H, to: NOW - 2 * H };
  const closer = zoomed(span, 0.5, NOW - 8 * H, NOW);
  expect(closer).toEqual({ from: NOW - 9 * H, to: NOW - 5 * H });
  expect(lengthOf(zoomed(span, 1e-12, NOW - 8 * H, NOW))).toBe(SHORTEST_MS);
  expect(zoomed(span, 10, NOW - 6 * H, NOW).to).toBe(NOW);
  expect(zoomed(span, 1e9, NOW - 6 * H, NOW).from).toBeGreaterThanOrEqual(0);
});

test("panning keeps the length and does not leave the past", () => {
  const span = { from: NOW - 2 * H, to: NOW - H };
  expect(moved(span, -H, NOW)).toEqual({ from: NOW - 3 * H, to: NOW - 2 * H });
  expect(moved(span, 5 * H, NOW)).toEqual({ from: NOW - H, to: NOW });
  expect(widened(span, 0.5, NOW)).toEqual({ from: NOW - 2.5 * H, to: NOW - 0.5 * H });
  expect(widened({ from: NOW - H, to: NOW }, 0.5, NOW)).toEqual({ from: NOW - 1.5 * H, to: NOW });
});

test("a stretch may be drawn from either side, and a slip of the hand is none", () => {
  expect(between(NOW - H, NOW - 2 * H, NOW)).toEqual({ from: NOW - 2 * H, to: NOW - H });
  expect(between(NOW, NOW - 10, NOW)).toBeNull();
});

test("a live chart is its whole range, or begins with a new device's first reading, but is never shorter than a minute", () => {
  expect(liveSpan(900_000, 600_000, undefined)).toEqual({ from: 300_000, to: 900_000 });
  expect(liveSpan(900_000, 600_000, 100_000)).toEqual({ from: 300_000, to: 900_000 });
  expect(liveSpan(900_000, 600_000, 700_000)).toEqual({ from: 700_000, to: 900_000 });
  expect(liveSpan(900_000, 600_000, 890_000)).toEqual({ from: 840_000, to: 900_000 });
});

test("an answer is used as long as it shows what is wished, finely enough, and live carries it on", () => {
  const first = wish();
  const resolution = { kind: "points", most: 2000 } as const;
  const range = rangeOf(first, resolution, NOW);
  const times = Float64Array.from({ length: 100 }, (_, i) => NOW - H + i * 1000);
  const answer = answerOf(first, resolution, range, NOW, new Map([["a", { times, columns: [times] }]]));
  expect(answer.open).toBe(true);
  expect(isThinned(answer)).toBe(false);
  expect(fullest(answer)).toBe(100);
  const later = { from: NOW - H + 60_000, to: NOW + 60_000 };
  expect(suffices(answer, wish({ span: later }), null)).toBe(true);
  expect(suffices(answer, wish({ span: { from: NOW - H / 2, to: NOW } }), null)).toBe(true);
  expect(suffices(answer, wish({ span: { from: NOW - 2 * H, to: NOW } }), null)).toBe(false);
  expect(suffices(answer, wish({ metrics: ["a", "b"] }), null)).toBe(false);
  expect(suffices(answer, wish({ wanted: "1h" }), null)).toBe(false);
  expect(suffices(answer, wish({ timeZone: BERLIN }), null)).toBe(false);
});

test("a thinned answer is asked for again when one looks closer", () => {
  const first = wish();
  const resolution = { kind: "points", most: 100 } as const;
  const range = rangeOf(first, resolution, NOW);
  const number = mostIn(resolution, first, range);
  const times = Float64Array.from({ length: number }, (_, i) => NOW - H + i);
  const answer = answerOf(first, resolution, range, NOW, new Map([["a", { times, columns: [times] }]]));
  expect(isThinned(answer)).toBe(true);
  expect(suffices(answer, first, null)).toBe(true);
  expect(suffices(answer, wish({ span: { from: NOW - H / 2, to: NOW } }), null)).toBe(false);
});

test("a range that ended in the past is not carried on by live", () => {
  const past = wish({ span: { from: NOW - 10 * H, to: NOW - 8 * H } });
  const answer = answerOf(past, { kind: "points", most: 2000 }, rangeOf(past, { kind: "points", most: 2000 }, NOW), NOW, new Map());
  expect(answer.open).toBe(false);
  expect(suffices(answer, wish({ span: { from: NOW - 9 * H, to: NOW - 6 * H } }), null)).toBe(false);
});

test("the question names windows with their aggregates and zone, or how many points", () => {
  const span = { from: NOW - D, to: NOW };
  const windows = questionOf(wish({ timeZone: BERLIN }), { kind: "windows", every: "1d", asked: null }, span);
  expect(windows).toMatchObject({ every: "1d", aggregates: ["mean", "min", "max", "count"], timeZone: BERLIN });
  expect(questionOf(wish(), { kind: "points", most: 2000 }, { from: NOW - H, to: NOW })).toMatchObject({ maxPoints: 2000 });
  expect(aggregatesFor("p95")).toEqual(["p95", "count"]);
  expect(aggregatesFor("count")).toEqual(["count"]);
  expect(fewEnough(16_000, 2000)).toBe(true);
  expect(fewEnough(16_001, 2000)).toBe(false);
});

test("windows are drawn at their middle, the running one in the middle of what has passed", () => {
  const columns = { times: Float64Array.of(0, 60_000), columns: [Float64Array.of(1, 2), Float64Array.of(0, 1), Float64Array.of(2, 3), Float64Array.of(5, 6)] };
  const track = windowTrack(columns, "band", "1m", { from: 0, to: 80_000 });
  expect([...track.xs]).toEqual([30_000, 70_000]);
  expect([...track.starts!]).toEqual([0, 60_000]);
  expect([...track.low!]).toEqual([0, 1]);
  expect([...track.counts!]).toEqual([5, 6]);
  expect(tailFrom(track, "1m")).toBe(0);
  expect(tailFrom(track, "1d")).toBeNull();
  expect(refreshMs("1s")).toBe(2_000);
  expect(refreshMs("1h")).toBe(60_000);
  expect(windowTrack(columns, "sum", "1m", { from: 0, to: 80_000 }).low).toBeNull();
});

test("the window that is running is labelled by when it began", () => {
  const columns = { times: Float64Array.of(NOW - 36 * H, NOW - 12 * H), columns: [Float64Array.of(1, 2), Float64Array.of(1, 1)] };
  const { starts, windowMs } = windowTrack(columns, "mean", "1d", { from: NOW - 9 * D, to: NOW - 9 * H });
  const span = { from: NOW - 9 * D, to: NOW };
  expect([...starts!].map((start) => momentLabel(start, span, windowMs, "UTC"))).toEqual(["28 Mar 2026", "29 Mar 2026"]);
});

test("a calendar's window that the question cuts is left out", () => {
  const columns = { times: Float64Array.of(0, D, 2 * D), columns: [Float64Array.of(1, 2, 3), Float64Array.of(1, 1, 1)] };
  expect([...windowTrack(columns, "mean", "1d", { from: H, to: 9 * D }).ys]).toEqual([2, 3]);
});

test("two series of one metric become one line in order of time, and what has no value is a hole", () => {
  const { times, columns } = columnsOf([[3_000_000, 1, 2], [1_000_000, Number.NaN, 4]]);
  expect([...times]).toEqual([1000, 3000]);
  expect(columns.map((column) => [...column])).toEqual([[Number.NaN, 1], [4, 2]]);
});

test("yesterday is the same hour on the clock, also when the clocks were changed in between", () => {
  const span = { from: NOW - H, to: NOW };
  const period = (period: "hour" | "day" | "week" | "month" | "own", hours = 1) => ({ with: "period", period, hours }) as const;
  expect(shiftMs(period("day"), span, "UTC")).toBe(D);
  expect(shiftMs(period("day"), span, BERLIN)).toBe(D - H);
  expect(shiftMs(period("week"), span, BERLIN)).toBe(7 * D - H);
  expect(shiftMs(period("hour"), span, BERLIN)).toBe(H);
  expect(shiftMs(period("own", 2.5), span, BERLIN)).toBe(2.5 * H);
  const may = Date.parse("2026-05-31T12:00:00Z");
  expect(shiftMs(period("month"), { from: may - H, to: may }, "UTC")).toBe(31 * D);
  expect(shiftMs({ with: "device", deviceId: "x" }, span, BERLIN)).toBe(0);
});

test("what is compared is named as people would", () => {
  const name = (id: string): string => `<${id}>`;
  expect(nameOf({ with: "nothing" }, name)).toBe("");
  expect(nameOf({ with: "device", deviceId: "x" }, name)).toBe("<x>");
  expect(nameOf({ with: "period", period: "week", hours: 1 }, name)).toBe("the week before");
  expect(nameOf({ with: "period", period: "own", hours: 48 }, name)).toBe("2 d before");
  expect(nameOf({ with: "period", period: "own", hours: 1.5 }, name)).toBe("1.5 h before");
});

test("a time zone's clock is read and set, also around an hour that it skips", () => {
  expect(clockAt(NOW, BERLIN)).toEqual({ year: 2026, month: 3, day: 29, hour: 14, minute: 0, second: 0 });
  expect(momentOf(clockAt(NOW, BERLIN), BERLIN)).toBe(NOW);
  expect(fieldOf(NOW, BERLIN)).toBe("2026-03-29T14:00");
  expect(momentIn("2026-03-29T14:00", BERLIN)).toBe(NOW);
  expect(momentIn("2026-03-29T14:00:30", BERLIN)).toBe(NOW + 30_000);
  expect(momentIn("soon", BERLIN)).toBeNull();
  expect(clockAt(momentIn("2026-03-29T02:30", BERLIN)!, BERLIN).day).toBe(29);
});

test("labels are as short as tells them apart, and days are those of the zone", () => {
  const midnight = Date.parse("2026-03-28T23:00:00Z");
  expect(timeLabel(midnight, H, BERLIN)).toBe("29 Mar");
  expect(timeLabel(midnight, H, "UTC")).toBe("23:00");
  expect(timeLabel(midnight, 1000, BERLIN)).toBe("00:00:00");
  expect(timeLabel(Date.parse("2026-01-01T00:00:00Z"), 31 * D, "UTC")).toBe("2026");
  expect(momentLabel(NOW, { from: NOW - H, to: NOW }, 0, BERLIN)).toBe("14:00:00");
  expect(momentLabel(NOW, { from: NOW - D, to: NOW }, 10 * 60_000, "UTC")).toBe("29 Mar, 12:00–12:10");
  expect(spanLabel({ from: NOW - H, to: NOW }, "UTC")).toBe("29 Mar 2026, 11:00 – 12:00");
  expect(spanLabel({ from: NOW - D, to: NOW }, "UTC")).toBe("28 Mar 2026, 12:00 – 29 Mar 2026, 12:00");
  expect(stamp(NOW, BERLIN)).toBe("2026-03-29T1400");
});

test("an axis has its labels at round moments of the zone's clocks, also after these were changed", () => {
  const days = (from: string): string[] => ticksOf({ from: Date.parse(from), to: Date.parse(from) + 5 * D }, 5, BERLIN).map(({ text }) => text);
  expect(days("2026-10-23T00:00:00Z")).toEqual(["24 Oct", "25 Oct", "26 Oct", "27 Oct", "28 Oct"]);
  expect(days("2026-03-27T00:00:00Z")).toEqual(["28 Mar", "29 Mar", "30 Mar", "31 Mar", "1 Apr"]);
  const night = Date.parse("2026-03-29T00:00:00Z");
  const hours = ticksOf({ from: night, to: night + 3 * H }, 3, BERLIN);
  expect(hours.map(({ text }) => text)).toEqual(["01:00", "03:00", "04:00"]);
});
