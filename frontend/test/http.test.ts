// What an answer tells beside its body: what time it is there, and when to come back.
import { afterEach, beforeEach, expect, test, vi } from "vitest";

const NOW = Date.parse("2026-01-01T12:00:00.000Z");
let http: typeof import("../src/api/http");

beforeEach(async () => {
  vi.useFakeTimers({ now: NOW });
  vi.resetModules();
  http = await import("../src/api/http");
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** The server's clock is so far ahead; its body takes so long after its head. */
async function answered(aheadMs: number, bodyMs = 0): Promise<void> {
  const headers = { Date: new Date(Math.floor((Date.now() + aheadMs) / 1000) * 1000).toUTCString() };
  const body = new ReadableStream({
    start: (stream) => {
      setTimeout(() => {
        stream.enqueue(new TextEncoder().encode("{}"));
        stream.close();
      }, bodyMs);
    },
  });
  vi.stubGlobal("fetch", async () => new Response(body, { headers }));
  const answer = http.api.get("/api/devices");
  await vi.advanceTimersByTimeAsync(bodyMs);
  await answer;
}

const offset = (): number => http.serverNow() - Date.now();

test("an answer that takes long says nothing else of the time than a short one", async () => {
  await answered(0, 8_000);
  expect(offset()).toBe(0);
});

test("a clock that is two seconds ahead is one clock, whichever part of a second it is asked in", async () => {
  const seen = new Set<number>();
  for (let i = 0; i < 20; i += 1) {
    vi.setSystemTime(NOW + 10_000 * i + 137 * i);
    await answered(2_000);
    seen.add(offset());
  }
  expect(seen.size).toBeLessThanOrEqual(2); // before it was noticed, and since
  await answered(60_000);
  expect(Math.abs(offset() - 60_000)).toBeLessThan(1_000);
});

test("who asked too often comes back when the server says, and who was refused does not", async () => {
  vi.stubGlobal("fetch", async () => Response.json({ message: "Too often", code: "rate_limited" }, { status: 429, headers: { "Retry-After": "7" } }));
  const refused: unknown = await http.api.get("/api/devices").catch((error: unknown) => error);
  expect(refused).toMatchObject({ message: "Too often" });
  expect(http.comeBackMs(refused, 3_000)).toBe(7_000);
  expect(http.comeBackMs(new http.Refused(429, "", "", []), 3_000)).toBe(3_000);
  expect(http.comeBackMs(new http.Refused(403, "", "", []), 3_000)).toBeNull();
  expect(http.comeBackMs(new http.Unreachable("away"), 3_000)).toBe(3_000);
  expect(http.comeBackMs(new http.Unreachable("away", {}, null, 9_000), 3_000)).toBe(9_000);
});
