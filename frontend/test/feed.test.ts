// When the list of devices is asked for, and that one listener's failure is nobody else's.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Handlers } from "@telemetrio/client";
import type { DeviceRecord } from "../src/api/device";

const NOW = Date.parse("2026-01-01T12:00:00Z");
let answers: ((records: DeviceRecord[]) => void)[] = [];
let handlers: Handlers = {};
let feed: typeof import("../src/state/feed");
let fleet: typeof import("../src/state/fleet");

vi.mock("../src/state/session", () => ({ useSession: () => ({ required: false }) }));
vi.mock("../src/api/devices", () => ({
  listDevices: () => new Promise((resolve) => answers.push(resolve)),
}));
vi.mock("@telemetrio/client", async (original) => ({
  ...(await original<typeof import("@telemetrio/client")>()),
  connect: () => ({ subscribe: (_options: unknown, told: Handlers) => void (handlers = told) }),
}));

beforeEach(async () => {
  vi.useFakeTimers({ now: NOW });
  vi.stubGlobal("requestAnimationFrame", () => 0);
  vi.resetModules();
  answers = [];
  feed = await import("../src/state/feed");
  fleet = await import("../src/state/fleet");
  feed.startFeed();
  await answer();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Answers what was asked last. */
async function answer(...ids: string[]): Promise<void> {
  const records = ids.map((device_id) => ({ device_id, name: "Desk", status: "online", last_seen: null, claimed: false }));
  answers.at(-1)?.(records as unknown as DeviceRecord[]);
  await vi.advanceTimersByTimeAsync(0);
}

function speak(device_id: string): void {
  const timestamp = new Date().toISOString();
  handlers.readings?.({ type: "readings", replayed: false, readings: [{ device_id, timestamp, measurement: "m", values: {} }] });
}

test("who speaks for the first time is looked for each second until the list has them", async () => {
  speak("new");
  await vi.advanceTimersByTimeAsync(300);
  expect(answers).toHaveLength(2);
  await answer();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(answers).toHaveLength(3);
  await answer("new");
  expect(fleet.findDevice("new")?.next).toMatchObject({ name: "Desk", claimed: false });
  await vi.advanceTimersByTimeAsync(29_000);
  expect(answers).toHaveLength(3);
});

test("who is silent again and in no list is not looked for any longer", async () => {
  speak("gone");
  await vi.advanceTimersByTimeAsync(300);
  for (let asked = 2; asked <= 12; asked += 1) {
    expect(answers).toHaveLength(asked);
    await answer();
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(fleet.findDevice("gone")).toBeUndefined();
  expect(answers).toHaveLength(12);
});

test("whoever has changed something gets a list that was asked for afterwards, however many ask meanwhile", async () => {
  void feed.refresh();
  let done = 0;
  for (let i = 0; i < 3; i += 1) void feed.refresh().then(() => (done += 1));
  expect(answers).toHaveLength(2);
  await answer();
  expect(answers).toHaveLength(3);
  expect(done).toBe(0);
  await answer();
  expect(done).toBe(3);
  expect(answers).toHaveLength(3);
});

test("two seconds after a loss the server is asked whether it is there, however often the line tries meanwhile", async () => {
  for (let tries = 0; tries < 4; tries += 1) {
    handlers.state?.({ type: "state", state: { phase: "reconnecting", retryAt: null, since: NOW } });
    await vi.advanceTimersByTimeAsync(600);
  }
  expect(answers).toHaveLength(2);
});

test("what the line can't bring is read again, the list with it; what it will bring is waited for", async () => {
  let missed = 0;
  feed.listen({ readings: () => undefined, missed: () => (missed += 1) });
  const gap = { type: "gap", devices: "*", from: null, to: null, dropped: 3 } as const;
  handlers.gap?.({ ...gap, reason: "feed", refilling: true });
  expect([missed, answers.length]).toEqual([0, 1]);
  handlers.gap?.({ ...gap, reason: "slow_client", refilling: false });
  expect([missed, answers.length]).toEqual([1, 2]);
});

test("a listener that fails is told to the console, and the others hear", () => {
  const reported: unknown[] = [];
  vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
  const fail = (): never => {
    throw new Error("a mistake");
  };
  let heard = 0;
  feed.listen({ readings: fail, missed: fail });
  feed.listen({ readings: () => (heard += 1), missed: () => (heard += 1) });
  speak("d");
  feed.askAgain();
  expect(heard).toBe(2);
  expect(reported).toHaveLength(2);
});
