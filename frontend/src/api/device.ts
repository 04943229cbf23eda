// One device: who it is, what may be changed about it, what it proves itself with, and its readings as a file.
import { PATIENT_MS, Refused, api, download } from "./http";
import type { Answer, Question, routes } from "./http";

export type DeviceRecord = routes.Device;
export type DeviceChange = Question<"PATCH /api/v1/devices/{device_id}">["body"];
export type DeviceClaim = NonNullable<Question<"POST /api/v1/devices/{device_id}/claim">["body"]>;
export type Credential = routes.Credential;
/** `password` is in this answer and nowhere else. */
export type MadeCredential = Answer<"POST /api/v1/devices/{device_id}/credentials">;

type ExportQuery = NonNullable<Question<"GET /api/v1/readings/export">["query"]>;
export type ExportFormat = NonNullable<ExportQuery["format"]>;

export function readDevice(device_id: string): Promise<DeviceRecord> {
  return ofNewcomer(() => api.get("/api/v1/devices/{device_id}", { path: { device_id } }));
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

export function changeDevice(device_id: string, change: DeviceChange): Promise<DeviceRecord> {
  return api.patch("/api/v1/devices/{device_id}", { path: { device_id }, body: change });
}

export function claimDevice(device_id: string, claim: DeviceClaim): Promise<DeviceRecord> {
  return api.post("/api/v1/devices/{device_id}/claim", { path: { device_id }, body: claim });
}

export function deleteDevice(device_id: string): Promise<void> {
  return api.delete("/api/v1/devices/{device_id}", { path: { device_id } });
}

export function listCredentials(device_id: string): Promise<Credential[]> {
  return ofNewcomer(() => api.get("/api/v1/devices/{device_id}/credentials", { path: { device_id } }));
}

export function makeCredential(device_id: string, name: string): Promise<MadeCredential> {
  return api.post("/api/v1/devices/{device_id}/credentials", { path: { device_id }, body: { name } });
}

export function revokeCredential(device_id: string, name: string): Promise<void> {
  return api.delete("/api/v1/devices/{device_id}/credentials/{name}", { path: { device_id, name } });
}

export interface ExportQuestion {
  devices: readonly string[];
  metrics: readonly string[];
  from: number;
  to: number;
  format: ExportFormat;
}

export function exportReadings({ devices, metrics, from, to, format }: ExportQuestion, signal: AbortSignal): Promise<Blob> {
  const query = {
    devices: devices.join(","),
    metrics: metrics.join(","),
    start: new Date(from).toISOString(),
    end: new Date(to).toISOString(),
    format,
  };
  return download(api.get("/api/v1/readings/export", { query, signal, timeoutMs: PATIENT_MS }), signal);
}
