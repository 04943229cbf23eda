// A list that could not be read is there once the server is.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { effectScope } from "vue";
import { Refused, Unreachable } from "../src/api/http";
import { useAsking } from "../src/state/asking";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("an outage is waited for; then the problem is gone", async () => {
  const answers: (Error | string)[] = [new Unreachable("away"), new Refused(429, "rate_limited", "too often", [], null, 7_000), "a list"];
  const scope = effectScope();
  const asking = scope.run(() => useAsking(() => answer(answers.shift())));
  await asking?.ask();
  expect(asking?.problem.value).toBe("away");
  await vi.advanceTimersByTimeAsync(2_000);
  expect(asking?.problem.value).toBe("too often");
  await vi.advanceTimersByTimeAsync(6_999);
  expect(asking?.answer.value).toBeNull();
  await vi.advanceTimersByTimeAsync(1);
  expect([asking?.problem.value, asking?.answer.value]).toEqual(["", "a list"]);
  scope.stop();
});

test("a no for good is not asked again, nor is anything once the page is left", async () => {
  for (const [said, leaves] of [[new Refused(403, "forbidden", "not yours"), false], [new Unreachable("away"), true]] as const) {
    let asked = 0;
    const scope = effectScope();
    const asking = scope.run(() => useAsking(() => ((asked += 1), answer(said))));
    await asking?.ask();
    if (leaves) scope.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(1);
  }
});

function answer(said: Error | string | undefined): Promise<string> {
  return typeof said === "string" ? Promise.resolve(said) : Promise.reject(said ?? new Error("asked too often"));
}
