// Views of the devices page: read, written, and what they choose.
import { expect, test } from "vitest";
import type { Device } from "../src/state/fleet";
import { countBy, mostRecent, PLAIN, readView, select, writeView } from "../src/state/selection";

const NOW = 1_800_000_000_000;

function device(device_id: string, seen: Record<string, unknown> = {}): Device {
  return { device_id, next: { name: device_id, online: true, claimed: true, disabled: false, profile: "open", lastSeenMs: NOW, ...seen } } as unknown as Device;
}

const ids = (devices: readonly Device[]): string[] => devices.map(({ device_id }) => device_id);

test("a view survives the address, and only what is not plain stands in it", () => {
  const view = { ...PLAIN, q: "shelf", status: "offline", sort: "-last_seen", show: "cards" } as const;
  expect(writeView(PLAIN)).toEqual({});
  expect(readView(writeView(view))).toEqual(view);
});

test("what an address says wrongly is left out", () => {
  expect(readView({ status: "gone", sort: "colour", show: ["table", "cards"], q: null })).toEqual(PLAIN);
});

test.each([
  [{ status: "online" }, ["a", "d"]],
  [{ status: "offline" }, ["b"]],
  [{ status: "never" }, ["c"]],
  [{ status: "disabled" }, ["d"]],
  [{ status: "unclaimed" }, ["a"]],
  [{ profile: "knee" }, ["b"]],
  [{ q: "NORTH" }, ["c"]],
] as const)("%o chooses %o", (wanted, found) => {
  const fleet = [
    device("a", { claimed: false }),
    device("b", { online: false, profile: "knee" }),
    device("c", { online: false, lastSeenMs: null, name: "North" }),
    device("d", { disabled: true }),
  ];
  expect(ids(select(fleet, { ...PLAIN, sort: "device_id", ...wanted }))).toEqual(found);
});

test("numbers in names are sorted as numbers, and a minus turns the order round", () => {
  const fleet = [device("n10"), device("n9"), device("n100", { lastSeenMs: NOW - 1 })];
  expect(ids(select(fleet, PLAIN))).toEqual(["n9", "n10", "n100"]);
  expect(ids(select(fleet, { ...PLAIN, sort: "-name" }))).toEqual(["n100", "n10", "n9"]);
  expect(ids(select(fleet, { ...PLAIN, sort: "last_seen" }))).toEqual(["n100", "n9", "n10"]);
});

test("who spoke within the same minute stands by name; who never spoke comes in only where nobody did", () => {
  const fleet = [device("z"), device("a", { lastSeenMs: NOW - 20_000 }), device("old", { lastSeenMs: NOW - 3_600_000 }), device("never", { lastSeenMs: null })];
  expect(ids(mostRecent(fleet, NOW, 9))).toEqual(["a", "z", "old"]);
  expect(ids(mostRecent(fleet, NOW, 1))).toEqual(["a"]);
  expect(ids(mostRecent(fleet.slice(3), NOW, 9))).toEqual(["never"]);
});

test("devices are counted by what they say", () => {
  expect([...countBy([device("a"), device("b", { profile: "knee" }), device("c")], (seen) => seen.profile)]).toEqual([["open", 2], ["knee", 1]]);
});
