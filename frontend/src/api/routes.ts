// The routes this page reads and writes, typed. The whole API is described at /docs.
import type { LiveReading, Value, Values } from "../live/messages";
import { ask, post, request } from "./http";

export interface DeviceRecord {
  id: number;
  device_id: string;
  name: string;
  status: "online" | "offline";
  last_seen: string | null;
  values?: Record<string, Value | null>;
  measurement?: string | null;
  profile?: string | null;
  units?: Record<string, string>;
  /** False for a device that registered itself by publishing and was never named. */
  claimed?: boolean;
  /** What a disabled device sends is refused. */
  disabled?: boolean;
  temperature?: number | null;
  humidity?: number | null;
  pressure?: number | null;
}

export interface BookTotals {
  received: number;
  stored: number;
  spooled: number;
  dead_lettered: number;
  discarded: number;
  balanced: boolean;
}

export interface DeadLetter {
  id: number | string;
  kind: string;
  code: string;
  detail: string | null;
  device_id: string | null;
  topic: string | null;
  received_at: string;
  entries: number;
  payload_bytes: number;
  payload_text: string | null;
}

export interface ReadingsPage {
  data: LiveReading[];
  cursor: string | null;
}

export interface ReadingsQuery {
  start: string;
  metrics?: string;
  limit: number;
  cursor?: string;
}

export interface About {
  version: string;
  auth: "open" | "required";
  registration: boolean;
  mqtt_port: number | null;
}

export function readAbout(): Promise<About> {
  return ask("/api/v1/about", {}, null);
}

export function listDevices(): Promise<DeviceRecord[]> {
  return request("/api/v1/devices");
}

export function addDevice(device_id: string, name: string): Promise<unknown> {
  return post("/api/devices", { device_id, name });
}

export async function readTotals(): Promise<BookTotals> {
  return (await request<{ total: BookTotals }>("/api/v1/ingest/books")).total;
}

export function listDeadLetters(perPage: number): Promise<{ data: DeadLetter[]; total: number }> {
  return request(`/api/v1/dead-letters?page=1&per_page=${perPage}`);
}

/** Newest first: where there is more than can be drawn, it is the oldest that is left out. */
export function readNewest(deviceId: string, query: ReadingsQuery, signal?: AbortSignal): Promise<ReadingsPage> {
  const { limit, ...rest } = query;
  const parameters = new URLSearchParams({ ...rest, limit: String(limit), order: "desc" });
  return request(`/api/v1/devices/${encodeURIComponent(deviceId)}/readings?${parameters}`, signal ? { signal } : {});
}

/** `values`, or for a server that only knows the three usual metrics, those. */
export function latestValues(record: DeviceRecord): Values {
  const { temperature, humidity, pressure } = record;
  const all = record.values ?? { temperature, humidity, pressure };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined)) as Values;
}
