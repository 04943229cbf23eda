// What can be done with devices: change, claim, delete, give credentials, many at once; and their profiles.
import type { DeviceRecord } from "./routes";
import { post, request, send } from "./http";

export interface Change {
  name?: string;
  profile?: string;
  disabled?: boolean;
}

export interface Credential {
  name: string;
  username: string;
  created_at: string;
  last_used_at: string | null;
}

export interface ReportedRow {
  row: number;
  device_id: string;
  outcome: "added" | "changed" | "unchanged" | "refused";
  code: string;
  message: string;
}

export interface BulkReport {
  rows: number;
  added: number;
  changed: number;
  unchanged: number;
  refused: number;
  dry_run: boolean;
  report: ReportedRow[];
}

export interface Metric {
  type: "number" | "string" | "boolean";
  unit: string;
  minimum: number | null;
  maximum: number | null;
}

export interface Profile {
  name: string;
  measurement: string;
  metrics: Record<string, Metric>;
  open: boolean;
  builtin: boolean;
}

const DEVICES = "/api/v1/devices";
const PROFILES = "/api/v1/profiles";
const BULK_TIMEOUT_MS = 300_000;

function of(deviceId: string): string {
  return `${DEVICES}/${encodeURIComponent(deviceId)}`;
}

export function addDevice(deviceId: string, name: string, profile: string): Promise<DeviceRecord> {
  return post(DEVICES, { device_id: deviceId, name, ...(profile === "" ? {} : { profile }) });
}

export function changeDevice(deviceId: string, change: Change): Promise<DeviceRecord> {
  return send("PATCH", of(deviceId), change);
}

export function claimDevice(deviceId: string, change: Change): Promise<DeviceRecord> {
  return post(`${of(deviceId)}/claim`, change);
}

export function deleteDevice(deviceId: string): Promise<unknown> {
  return send("DELETE", of(deviceId));
}

export function listCredentials(deviceId: string): Promise<Credential[]> {
  return request(`${of(deviceId)}/credentials`);
}

export function makeCredential(deviceId: string, name: string): Promise<Credential & { password: string }> {
  return post(`${of(deviceId)}/credentials`, { name });
}

export function revokeCredential(deviceId: string, name: string): Promise<unknown> {
  return send("DELETE", `${of(deviceId)}/credentials/${encodeURIComponent(name)}`);
}

/** `dryRun`: what would become of each row, and nothing changes. */
export function bulk(file: Blob, dryRun: boolean): Promise<BulkReport> {
  const init = { method: "POST", headers: { "Content-Type": "text/csv" }, body: file };
  return request(`${DEVICES}/bulk?dry_run=${dryRun}`, init, BULK_TIMEOUT_MS);
}

export function listProfiles(): Promise<Profile[]> {
  return request(PROFILES);
}

export function addProfile(profile: Omit<Profile, "builtin">): Promise<Profile> {
  return post(PROFILES, profile);
}

export function changeProfile(name: string, profile: Omit<Profile, "builtin" | "name">): Promise<Profile> {
  return send("PATCH", `${PROFILES}/${encodeURIComponent(name)}`, profile);
}

export function deleteProfile(name: string): Promise<unknown> {
  return send("DELETE", `${PROFILES}/${encodeURIComponent(name)}`);
}
