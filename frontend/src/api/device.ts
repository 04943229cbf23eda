// One device: who it is, what may be changed about it, and what it proves itself with.
import type { Value } from "../live/messages";
import { Refused, request } from "./http";

export interface DeviceFacts {
  device_id: string;
  name: string;
  status: "online" | "offline";
  last_seen: string | null;
  measurement: string | null;
  profile: string | null;
  units: Record<string, string>;
  values: Record<string, Value | null>;
  claimed: boolean;
  disabled: boolean;
  user_id: number;
  created_at: string;
}

export interface DeviceChange {
  name?: string;
  profile?: string;
  disabled?: boolean;
  user_id?: number;
}

export interface Credential {
  name: string;
  username: string;
  created_at: string;
  last_used_at: string | null;
}

/** `password` is in this answer and nowhere else. */
export type MadeCredential = Credential & { password: string };

function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  if (body === undefined) return request(path, { method });
  return request(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

function pathOf(deviceId: string): string {
  return `/api/v1/devices/${encodeURIComponent(deviceId)}`;
}

export function readDevice(deviceId: string): Promise<DeviceFacts> {
  return ofNewcomer(() => request(pathOf(deviceId)));
}

/** Who spoke for the first time a moment ago is heard live before it stands in the database. */
async function ofNewcomer<T>(question: () => Promise<T>): Promise<T> {
  for (const waitMs of [300, 700, 1_000, 2_000]) {
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  return question();
}

export function changeDevice(deviceId: string, change: DeviceChange): Promise<DeviceFacts> {
  return send("PATCH", pathOf(deviceId), change);
}

export function claimDevice(deviceId: string, name: string): Promise<DeviceFacts> {
  return send("POST", `${pathOf(deviceId)}/claim`, { name });
}

export function deleteDevice(deviceId: string): Promise<null> {
  return send("DELETE", pathOf(deviceId));
}

export function listProfiles(): Promise<{ name: string }[]> {
  return request("/api/v1/profiles");
}

export function readOwner(userId: number): Promise<{ name: string; email: string | null }> {
  return request(`/api/v1/users/${userId}`);
}

export function listCredentials(deviceId: string): Promise<Credential[]> {
  return ofNewcomer(() => request(`${pathOf(deviceId)}/credentials`));
}

export function makeCredential(deviceId: string, name: string): Promise<MadeCredential> {
  return send("POST", `${pathOf(deviceId)}/credentials`, { name });
}

export function revokeCredential(deviceId: string, name: string): Promise<null> {
  return send("DELETE", `${pathOf(deviceId)}/credentials/${encodeURIComponent(name)}`);
}

export type ExportFormat = "csv" | "ndjson" | "parquet";

export interface ExportQuestion {
  devices: readonly string[];
  metrics: readonly string[];
  from: number;
  to: number;
  format: ExportFormat;
}

export function exportPath({ devices, metrics, from, to, format }: ExportQuestion): string {
  const parameters = new URLSearchParams({
    devices: devices.join(","),
    metrics: metrics.join(","),
    start: new Date(from).toISOString(),
    end: new Date(to).toISOString(),
    format,
  });
  return `/api/v1/readings/export?${parameters}`;
}
