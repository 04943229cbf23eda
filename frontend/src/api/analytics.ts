// The figures of a knee's movement, as `GET /api/v1/web/analytics` gives them.
import type { Every } from "../readings/resolution";
import type { Span } from "../readings/span";
import { PATIENT_MS, api } from "./http";
import type { routes } from "./http";

export type Analysed = routes.DeviceOut;

export interface KneeQuestion {
  deviceId: string;
  span: Span;
  every: Every;
  timeZone: string;
  /** What the magnitude must rise and fall by in a repetition; null: a third of its range. */
  prominence: number | null;
}

/** Null for a device that is not there. */
export async function analyseKnee({ deviceId, span, every, timeZone, prominence }: KneeQuestion, signal: AbortSignal): Promise<Analysed | null> {
  const query = {
    devices: deviceId,
    start: new Date(span.from).toISOString(),
    end: new Date(span.to).toISOString(),
    every,
    timezone: timeZone,
    bins: 1,
    prominence: prominence ?? undefined,
  };
  const { devices } = await api.get("/api/v1/web/analytics", { query, signal, timeoutMs: PATIENT_MS });
  return devices[0] ?? null;
}
