// When a chart's lines are asked for again.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Refused } from "../src/api/http";
import type { Wish } from "../src/readings/answer";
import { Lines } from "../src/state/lines";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const page = { hidden: false };
let asked = 0;
let refusals: Error[] = [];
let slowMs = 0;

vi.mock("../src/api/series", () => ({
  readSeries: async function* () {
    asked += 1;
    const refused = refusals.shift();
    if (refused !== undefined) throw refused;
    if (slowMs > 0) await new Promise((resolve) => setTimeout(resolve, slowMs));
    yield new Map([["a", { times: Float64Array.of(NOW - 1000), columns: [Float64Array.of(1)] }]]);
  },
}));

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  vi.stubGlobal("document", page);
  page.hidden = false;
  asked = 0;
  refusals = [];
  slowMs = 0;
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function wish(endsAgoMs = 0): Wish {
  const to = Date.now() - endsAgoMs;
  return { deviceId: "d", metrics: ["a"], span: { from: to - 900_000, to }, widthPx: 1000, wanted: "auto", drawn: "band", timeZone: "UTC" };
}

/** As a chart does that follows the clock. */
async function follow(lines: Lines, forMs: number): Promise<void> {
  for (let ms = 0; ms < forMs; ms += 500) {
    lines.want(wish());
    await vi.advanceTimersByTimeAsync(500);
  }
}

test("a live line of single readings is asked for again each minute while somebody looks", async () => {
  const lines = new Lines(() => undefined);
  await follow(lines, 3_000);
  expect(asked).toBe(2); // once more when the store has settled
  await follow(lines, 60_000);
  expect(asked).toBe(3);
  page.hidden = true;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toBe(3);
  page.hidden = false;
  await follow(lines, 60_000);
  expect(asked).toBe(4);
  lines.close();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toBe(4);
});

test("what was missed is asked for at once, and once more when the store has settled", async () => {
  const lines = new Lines(() => undefined);
  await follow(lines, 3_000);
  expect(asked).toBe(2);
  lines.again();
  await follow(lines, 500);
  expect(asked).toBe(3);
  await follow(lines, 8_000);
  expect(asked).toBe(4);
  lines.close();
});

test("a line that ended in the past is asked for once", async () => {
  const lines = new Lines(() => undefined);
  lines.want(wish(7_200_000));
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toBe(1);
});

test("asked too often, it asks again when the server says; refused, it does not", async () => {
  refusals = [new Refused(429, "rate_limited", "Too often", [], null, 7_000), new Refused(400, "validation", "No", [])];
  const lines = new Lines(() => undefined);
  lines.want(wish());
  await vi.advanceTimersByTimeAsync(6_900);
  expect([asked, lines.problem.value]).toEqual([1, "Too often"]);
  await vi.advanceTimersByTimeAsync(600_000);
  expect([asked, lines.problem.value]).toEqual([2, "No"]);
});

test("windows that nobody looked at for a while are asked for anew when somebody does", async () => {
  const lines = new Lines(() => undefined);
  const windows = (metrics: string[]): Wish => ({ ...wish(), wanted: "1m", metrics });
  lines.want(windows(["a"]));
  await vi.advanceTimersByTimeAsync(1_000);
  lines.want(windows([]));
  await vi.advanceTimersByTimeAsync(600_000);
  const before = asked;
  lines.want(windows(["a"]));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toBe(before + 1);
  lines.close();
});

test("a line that is compared with no longer is not asked for any more", async () => {
  const lines = new Lines(() => undefined);
  lines.want(wish());
  await vi.advanceTimersByTimeAsync(1_000);
  lines.forget();
  const before = asked;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toBe(before);
});

test("who looks back before an answer has come does not keep the answer to what was overtaken", async () => {
  const lines = new Lines(() => undefined);
  const near = wish(7_200_000);
  lines.want(near);
  await vi.advanceTimersByTimeAsync(1_000);
  slowMs = 1_000;
  lines.want({ ...near, wanted: "1m" });
  await vi.advanceTimersByTimeAsync(500);
  lines.want(near);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([lines.resolution.value?.kind, lines.state.value]).toEqual(["points", "ready"]);
});
