// What the server says on /ws, as types, and the one place where its text becomes values.

export type Value = number | string | boolean;
export type Values = Record<string, Value>;

export interface LiveReading {
  device_id: string;
  /** ISO 8601 UTC with 9 fraction digits: as text it sorts by time, and it is a reading's identity. */
  timestamp: string;
  measurement: string;
  values: Values;
}

export interface StatusChange {
  type: "status";
  device_id: string;
  status: "online" | "offline";
  last_seen: string | null;
}

export interface Gap {
  type: "gap";
  devices: string[] | "*";
  since?: string;
  from: string | null;
  to: string | null;
  dropped: number;
  reason: string;
}

export type ServerMessage =
  | { type: "welcome"; version: number; heartbeat_s: number }
  | { type: "subscribed"; id: number; devices: number; unknown: string[] }
  | { type: "snapshot"; id: number; readings: LiveReading[] }
  | { type: "readings"; cursor?: string; readings: LiveReading[] }
  | StatusChange
  | Gap
  | { type: "heartbeat"; cursor?: string }
  | { type: "pong" }
  | { type: "error"; id?: number; code: string; message: string };

const TYPES = new Set(["welcome", "subscribed", "snapshot", "readings", "status", "gap", "heartbeat", "pong", "error"]);

/** A message, or null for text that is none: a newer server may say more than this page understands. */
export function parseMessage(text: string): ServerMessage | null {
  let seen: unknown;
  try {
    seen = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof seen !== "object" || seen === null) return null;
  const { type } = seen as { type?: unknown };
  if (typeof type !== "string" || !TYPES.has(type)) return null;
  const carriesReadings = type === "snapshot" || type === "readings";
  if (carriesReadings && !Array.isArray((seen as { readings?: unknown }).readings)) return null;
  return seen as ServerMessage;
}
