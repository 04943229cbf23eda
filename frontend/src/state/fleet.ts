// Every device and its newest values. Readings change plain objects at once; the screen hears of it once per frame.
import { shallowRef } from "vue";
import type { ShallowRef } from "vue";
import type { DeviceRecord } from "../api/device";
import { serverNow } from "../api/http";
import { numericMetrics } from "../figures/metrics";
import type { LiveReading, StatusChange, Values } from "../live/messages";
import { RecentReadings, Spark } from "../readings/recent";
import { toMs } from "../readings/timestamps";
import { oncePerFrame } from "./frames";

export interface DeviceView {
  name: string;
  online: boolean;
  claimed: boolean;
  disabled: boolean;
  profile: string;
  lastSeenMs: number | null;
  measurement: string;
  units: Record<string, string>;
  values: Values;
}

export interface Device {
  readonly device_id: string;
  /** Replaced, never changed: what a component shows. */
  readonly view: ShallowRef<DeviceView>;
  /** What the next frame will show. */
  next: DeviceView;
  readonly recent: RecentReadings;
  readonly spark: Spark;
  newestTimestamp: string;
  /** When a reading of it came last, of whatever time (epoch ms); before that, never. */
  heardMs: number;
}

const JUST_NOW_MS = 10_000;
/** What lists are filtered and counted by. */
const LISTED = ["online", "name", "claimed", "disabled", "profile"] as const;

const known = new Map<string, Device>();
const dirty = new Set<Device>();
let listChanged = false;

/** All devices; a new list when one comes or goes, is changed, or changes between online and offline. */
export const devices = shallowRef<Device[]>([]);

export function findDevice(deviceId: string): Device | undefined {
  return known.get(deviceId);
}

const showChanges = oncePerFrame(() => {
  for (const device of dirty) device.view.value = device.next;
  dirty.clear();
  if (listChanged) devices.value = [...known.values()];
  listChanged = false;
});

/**
 * The list as the API knows it: names, units, status; and values for devices that have not spoken since. Returns whether
 * somebody who is heard live is not in it yet.
 */
export function takeRecords(records: readonly DeviceRecord[]): boolean {
  const listed = new Set(records.map((record) => record.device_id));
  for (const device of known.values()) if (!listed.has(device.device_id) && !heardJustNow(device)) forget(device);
  for (const record of records) {
    const device = known.get(record.device_id) ?? create(record.device_id);
    const lastSeenMs = record.last_seen === null ? null : toMs(record.last_seen);
    const listIsNewer = (lastSeenMs ?? 0) >= (device.next.lastSeenMs ?? 0);
    change(device, {
      name: record.name || record.device_id,
      online: spokeJustNow(device) ? device.next.online : record.status === "online",
      lastSeenMs: listIsNewer ? lastSeenMs : device.next.lastSeenMs,
      measurement: record.measurement,
      claimed: record.claimed,
      disabled: record.disabled,
      profile: record.profile,
      units: record.units,
      values: { ...record.values, ...(listIsNewer ? {} : device.next.values) },
    });
  }
  showChanges();
  return known.size > listed.size;
}

/** It was deleted. What it publishes afterwards makes it known again, as somebody new. */
export function dropDevice(deviceId: string): void {
  const device = known.get(deviceId);
  if (device === undefined) return;
  forget(device);
  showChanges();
}

function forget(device: Device): void {
  known.delete(device.device_id);
  dirty.delete(device);
  listChanged = true;
}

/** A list may have been on its way while the device spoke; of longer silence it knows more than this page. */
function spokeJustNow(device: Device): boolean {
  return serverNow() - (device.next.lastSeenMs ?? -Infinity) < JUST_NOW_MS;
}

/** Also the newest values, which come when a page is opened, may be of a device that the list doesn't have yet. */
function heardJustNow(device: Device): boolean {
  return spokeJustNow(device) || serverNow() - device.heardMs < JUST_NOW_MS;
}

/** Returns the ids nobody has told us of yet: devices that registered themselves by publishing. */
export function takeReadings(readings: readonly LiveReading[], live: boolean): string[] {
  const strangers: string[] = [];
  const at = serverNow();
  for (const reading of readings) {
    let device = known.get(reading.device_id);
    if (device === undefined) {
      device = create(reading.device_id);
      strangers.push(reading.device_id);
    }
    takeReading(device, reading, live ? at : null);
  }
  showChanges();
  return strangers;
}

export function takeStatus(status: StatusChange): void {
  const device = known.get(status.device_id);
  if (device === undefined) return;
  change(device, { online: status.status === "online", lastSeenMs: toMs(status.last_seen) });
  showChanges();
}

function takeReading(device: Device, reading: LiveReading, liveAt: number | null): void {
  device.heardMs = liveAt ?? serverNow();
  device.recent.add(reading, device.heardMs);
  if (liveAt !== null) change(device, { online: true, lastSeenMs: liveAt });
  if (reading.timestamp < device.newestTimestamp) return; // late data is history, not the latest value
  device.newestTimestamp = reading.timestamp;
  const values = { ...device.next.values, ...reading.values };
  change(device, { values, measurement: reading.measurement });
  const metric = numericMetrics(values)[0];
  const value = metric === undefined ? undefined : reading.values[metric];
  if (typeof value === "number") device.spark.add(toMs(reading.timestamp), value);
}

function change(device: Device, changes: Partial<DeviceView>): void {
  if (LISTED.some((key) => key in changes && changes[key] !== device.next[key])) listChanged = true;
  device.next = { ...device.next, ...changes };
  dirty.add(device);
}

/** Redraw a device whose sparkline has grown backwards. */
export function touch(device: Device): void {
  change(device, {});
  showChanges();
}

function create(deviceId: string): Device {
  const empty: DeviceView = {
    name: deviceId,
    online: false,
    claimed: true,
    disabled: false,
    profile: "",
    lastSeenMs: null,
    measurement: "",
    units: {},
    values: {},
  };
  const device: Device = {
    device_id: deviceId,
    view: shallowRef(empty),
    next: empty,
    recent: new RecentReadings(),
    spark: new Spark(),
    newestTimestamp: "",
    heardMs: -Infinity,
  };
  known.set(deviceId, device);
  listChanged = true;
  return device;
}
