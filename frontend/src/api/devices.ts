// Devices as a fleet: all of them, one more, many at once; the newest readings of one, and the kinds there are.
import type { LiveReading } from "../live/messages";
import type { DeviceRecord } from "./device";
import { api, bare, download } from "./http";
import type { Answer, routes } from "./http";

export type BulkReport = Answer<"POST /api/v1/devices/bulk">;
export type ReportedRow = routes.Reported;
export type Profile = routes.Profile;

export async function listDevices(): Promise<DeviceRecord[]> {
  return bare(await api.get("/api/v1/devices"));
}

export function addDevice(device_id: string, name: string, profile: string): Promise<DeviceRecord> {
  return api.post("/api/v1/devices", { body: { device_id, name, profile: profile || undefined } });
}

/** `dryRun`: what would become of each row, and nothing changes. */
export function bulk(content: Blob, dryRun: boolean): Promise<BulkReport> {
  return api.post("/api/v1/devices/bulk", { query: { dry_run: dryRun }, body: { contentType: "text/csv", content } });
}

/** All of them, as `bulk` takes them. */
export function downloadDevices(): Promise<Blob> {
  return download(api.get("/api/v1/devices/bulk"));
}

/** Newest first: where there is more than can be drawn, it is the oldest that is left out. */
export async function readNewest(device_id: string, query: { start: string; metrics: string; limit: number }): Promise<LiveReading[]> {
  const { data } = await api.get("/api/v1/devices/{device_id}/readings", { path: { device_id }, query: { ...query, order: "desc" } });
  return data.map((reading) => ({ ...reading, timestamp: String(reading.timestamp) })); // text: no `epoch` is asked for
}

export async function listProfiles(): Promise<Profile[]> {
  return bare(await api.get("/api/v1/profiles"));
}
