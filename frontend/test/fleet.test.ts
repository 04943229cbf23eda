// What the page believes of a device when lists, live readings and status changes arrive in any order.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DeviceRecord } from "../src/api/device";
import type { LiveReading, Values } from "../src/live/messages";

const NOW = Date.parse("2026-01-01T12:00:00Z");
let frames: ((now: number) => void)[] = [];
let fleet: typeof import("../src/state/fleet");

beforeEach(async () => {
  vi.useFakeTimers({ now: NOW, toFake: ["Date"] });
  vi.stubGlobal("requestAnimationFrame", (work: (now: number) => void) => frames.push(work));
  vi.resetModules();
  frames = [];
  fleet = await import("../src/state/fleet");
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000000Z`;
}

function record(changes: Partial<DeviceRecord> = {}): DeviceRecord {
  const values = { temperature: 1 };
  const seed = { ...values, humidity: null, pressure: null };
  const kind = { measurement: "sensor_data", profile: "environment", units: {}, claimed: true, disabled: false };
  return { id: 1, device_id: "d", name: "Desk", status: "online", last_seen: iso(NOW), user_id: 1, created_at: iso(0), values, ...seed, ...kind, ...changes };
}

function reading(ms: number, values: Values, device_id = "d"): LiveReading {
  return { device_id, timestamp: iso(ms), measurement: "sensor_data", values };
}

const device = () => fleet.findDevice("d")!;

test("what changes between two frames is shown once, in the next", () => {
  fleet.takeRecords([record()]);
  fleet.takeReadings([reading(NOW, { temperature: 2 })], true);
  fleet.takeReadings([reading(NOW + 1, { temperature: 3 })], true);
  expect(frames).toHaveLength(1);
  expect(device().view.value.values).toEqual({});
  frames.shift()?.(0);
  expect(device().view.value).toMatchObject({ name: "Desk", values: { temperature: 3 } });
  expect(fleet.devices.value).toHaveLength(1);
});

test("late data never becomes the latest value, and a metric that was not sent stays", () => {
  fleet.takeReadings([reading(NOW, { temperature: 5, humidity: 6 })], true);
  fleet.takeReadings([reading(NOW - 1000, { temperature: 4 }), reading(NOW + 1000, { humidity: 7 })], true);
  expect(device().next.values).toEqual({ temperature: 5, humidity: 7 });
});

test("a list that was on its way while the device spoke does not undo what it said", () => {
  fleet.takeReadings([reading(NOW, { temperature: 9 })], true);
  fleet.takeRecords([record({ status: "offline", last_seen: iso(NOW - 5000), values: { temperature: 1, co2: 400 } })]);
  expect(device().next).toMatchObject({ online: true, values: { temperature: 9, co2: 400 }, lastSeenMs: NOW });
});

test("a device that has fallen silent is offline when the list says so", () => {
  fleet.takeReadings([reading(NOW, { temperature: 9 })], true);
  vi.setSystemTime(NOW + 301_000);
  fleet.takeRecords([record({ status: "offline", last_seen: iso(NOW - 20) })]);
  expect(device().next.online).toBe(false);
});

test("a status counts at once, and a reading makes the device online again", () => {
  fleet.takeRecords([record()]);
  fleet.takeStatus({ type: "status", device_id: "d", status: "offline", last_seen: iso(NOW) });
  expect(device().next.online).toBe(false);
  fleet.takeReadings([reading(NOW + 1000, { temperature: 1 })], true);
  expect(device().next.online).toBe(true);
});

test("a snapshot gives values but does not claim that the device was seen just now", () => {
  fleet.takeRecords([record({ status: "offline", last_seen: iso(NOW - 3_600_000) })]);
  fleet.takeReadings([reading(NOW - 3_600_000, { temperature: 8 })], false);
  expect(device().next).toMatchObject({ online: false, lastSeenMs: NOW - 3_600_000, values: { temperature: 8 } });
});

test("devices that nobody has named are told to the caller once, to ask for the list", () => {
  expect(fleet.takeReadings([reading(NOW, {}, "new"), reading(NOW, {}, "new")], true)).toEqual(["new"]);
  expect(fleet.takeReadings([reading(NOW, {}, "new")], true)).toEqual([]);
});

test("a device that the list no longer has is gone, unless it spoke just now", () => {
  fleet.takeRecords([record(), record({ device_id: "old", last_seen: iso(NOW - 60_000) })]);
  fleet.takeReadings([reading(NOW, { temperature: 1 }, "newcomer")], true);
  fleet.takeRecords([record()]);
  frames.shift()?.(0);
  expect(fleet.devices.value.map(({ device_id }) => device_id)).toEqual(["d", "newcomer"]);
  fleet.dropDevice("newcomer");
  frames.shift()?.(200);
  expect(fleet.findDevice("newcomer")).toBeUndefined();
  expect(fleet.devices.value).toHaveLength(1);
});
