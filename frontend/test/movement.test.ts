// What a knee's figures come to in bars and in words.
import { expect, test } from "vitest";
import type { Analysed } from "../src/api/analytics";
import { ticksOf } from "../src/charts/labels";
import { barAt, digitsFor, extentOf, missingAxes, movementOf, roundUp, sentenceOf } from "../src/readings/movement";

const START = Date.parse("2026-01-01T00:00:00Z");
const window = { start: "2026-01-01T00:00:00.000000000Z", end: "2026-01-01T00:15:00.000000000Z" };
const figures = { count: 9, mean: 1.1, min: 0.9, max: 1.4, stddev: 0.1, median: 1.1, p95: 1.4 };
const more = { change: { mean_per_s: null, max_rise_per_s: null, max_fall_per_s: null }, histogram: { edges: [], counts: [] } };

function analysed(changes: Partial<NonNullable<Analysed["knee"]>> = {}): Analysed {
  return {
    device_id: "k",
    metrics: { x: { ...figures, ...more, windows: null }, magnitude: { ...figures, ...more, windows: [{ ...window, ...figures }] } },
    knee: {
      range_of_motion: { x: 1, y: 1, z: 1, magnitude: 0.5 },
      repetitions: 12,
      prominence: 0.2,
      seconds_per_repetition: 4,
      windows: [{ ...window, repetitions: 12, range_of_motion: 0.5 }],
      ...changes,
    },
  };
}

test("windows become bars at their own time: repetitions, motion, and the magnitude between its ends", () => {
  const movement = movementOf(analysed())!;
  const at = { from: START, to: START + 900_000 };
  expect(movement.repetitions).toEqual([{ ...at, value: 12, base: 0 }]);
  expect(movement.motion).toEqual([{ ...at, value: 0.5, base: 0 }]);
  expect(movement.magnitude).toEqual([{ ...at, value: 1.4, base: 0.9 }]);
  expect(movement.extents.map(({ axis }) => axis)).toEqual(["x", "magnitude"]);
  expect(movementOf({ ...analysed(), knee: null })).toBeNull();
});

test("a sentence says how often, how fast and how far, also where nothing was counted", () => {
  expect(sentenceOf(analysed(), "24 hours", "g")).toBe("Bent and stretched 12 times in the last 24 hours, typically one every 4.0 s. The magnitude moved within 0.50 g.");
  expect(sentenceOf(analysed({ repetitions: 1, seconds_per_repetition: null }), "hour", "")).toContain("once in the last hour.");
  expect(sentenceOf(analysed({ repetitions: 0 }), "hour", "")).toContain("No repetition");
});

test("the page knows which metrics are missing", () => {
  expect(missingAxes(["x", "temperature"])).toEqual(["y", "z"]);
  expect(missingAxes(["z", "y", "x"])).toEqual([]);
});

test("an axis begins at zero and ends at a round number, but goes close to what only moves far from zero", () => {
  expect([0, 0.32, 29, 31, 99, 101].map(roundUp)).toEqual([1, 0.4, 30, 40, 100, 150]);
  expect(extentOf([])).toEqual([0, 1]);
  expect(extentOf([{ from: 0, to: 1, value: 29, base: 0 }])).toEqual([0, 30]);
  const [low, high] = extentOf([{ from: 0, to: 1, value: 1.4, base: 0.9 }]);
  expect([low, high].map((value) => value.toFixed(2))).toEqual(["0.85", "1.45"]);
  expect([0.5, 15, 300].map(digitsFor)).toEqual([2, 1, 0]);
});

test("a bar that the range cuts is as wide as what lies in it", () => {
  expect(barAt({ from: 0, to: 100, value: 1, base: 0 }, { from: 50, to: 250 })).toEqual({ x: 0, width: 0.25 });
  expect(barAt({ from: 100, to: 200, value: 1, base: 0 }, { from: 0, to: 400 })).toEqual({ x: 0.25, width: 0.25 });
});

test("an axis is labelled at round moments of the reader's clocks", () => {
  const ticks = ticksOf({ from: START + 660_000, to: START + 86_400_000 }, 7, "Asia/Kolkata");
  expect(ticks.map(({ text }) => text)).toEqual(["08:00", "12:00", "16:00", "20:00", "2 Jan", "04:00"]);
  expect(ticksOf({ from: START, to: START + 3_600_000 }, 7, "UTC").length).toBeLessThanOrEqual(7);
});
