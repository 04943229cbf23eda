// The figures of a knee's movement, as `GET /api/v1/web/analytics` gives them.
import type { Every } from "../readings/resolution";
import type { Span } from "../readings/span";
import { PATIENT_MS, request } from "./http";

export interface Figures {
  count: number;
  mean: number;
  min: number;
  max: number;
}

export interface KneeWindow {
  start: string;
  end: string;
  repetitions: number;
  range_of_motion: number;
}

export interface Knee {
  range_of_motion: Record<"x" | "y" | "z" | "magnitude", number>;
  repetitions: number;
  prominence: number;
  seconds_per_repetition: number | null;
  windows: KneeWindow[] | null;
}

export interface Analysed {
  device_id: string;
  metrics: Record<string, Figures & { windows: (Figures & { start: string; end: string })[] | null }>;
  knee: Knee | null;
}

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
  const parameters = new URLSearchParams({
    devices: deviceId,
    start: new Date(span.from).toISOString(),
    end: new Date(span.to).toISOString(),
    every,
    timezone: timeZone,
    bins: "1",
    ...(prominence === null ? {} : { prominence: String(prominence) }),
  });
  const answer = await request<{ devices: Analysed[] }>(`/api/v1/web/analytics?${parameters}`, { signal }, PATIENT_MS);
  return answer.devices[0] ?? null;
}
