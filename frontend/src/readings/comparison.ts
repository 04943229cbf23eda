// What a line is compared with: another device, or the same one at an earlier time.
import type { Span } from "./span";
import { clockAt, momentOf } from "./zone";

export type Period = "hour" | "day" | "week" | "month" | "own";

export type Comparison =
  | { with: "nothing" }
  | { with: "device"; deviceId: string }
  /** `hours`: of one's own choosing, for `own`. */
  | { with: "period"; period: Period; hours: number };

const HOUR_MS = 3_600_000;
const NAMES: Record<Exclude<Period, "own">, string> = { hour: "an hour before", day: "the day before", week: "the week before", month: "the month before" };

/** How much earlier the compared time is, by the clocks of `zone`: yesterday at noon is not always 24 hours ago. */
export function shiftMs(comparison: Comparison, span: Span, zone: string): number {
  if (comparison.with !== "period") return 0;
  const { period } = comparison;
  if (period === "own") return Math.max(1, Math.round(comparison.hours * HOUR_MS));
  if (period === "hour") return HOUR_MS;
  const there = clockAt(span.to, zone);
  const before = period === "month" ? monthBefore(there) : { ...there, day: there.day - (period === "week" ? 7 : 1) };
  return Math.floor(span.to / 1000) * 1000 - momentOf(before, zone);
}

/** The 31st of May is compared with the 30th of April. */
function monthBefore(there: ReturnType<typeof clockAt>): ReturnType<typeof clockAt> {
  const last = new Date(Date.UTC(there.year, there.month - 1, 0)).getUTCDate();
  return { ...there, month: there.month - 1, day: Math.min(there.day, last) };
}

export function nameOf(comparison: Comparison, deviceName: (deviceId: string) => string): string {
  if (comparison.with === "nothing") return "";
  if (comparison.with === "device") return deviceName(comparison.deviceId);
  if (comparison.period !== "own") return NAMES[comparison.period];
  const { hours } = comparison;
  return hours % 24 === 0 ? `${hours / 24} d before` : `${hours} h before`;
}
