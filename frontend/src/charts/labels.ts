// Moments as an axis, a legend and a file name write them, in the reader's time zone.
import type { Span } from "../readings/span";
import { clockAt, offsetMs } from "../readings/zone";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function format(ms: number, zone: string, options: Intl.DateTimeFormatOptions): string {
  const key = `${zone} ${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (found === undefined) formats.set(key, (found = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options })));
  return found.format(ms);
}

const two = "2-digit" as const;
const DAY = { day: "numeric", month: "short" } as const;
const CLOCK = { hour: two, minute: two } as const;

/** As short as tells two labels, `stepMs` apart, from each other. */
export function timeLabel(ms: number, stepMs: number, zone: string): string {
  if (stepMs < MINUTE_MS) return format(ms, zone, { ...CLOCK, second: two });
  const { hour, minute, month, day } = clockAt(ms, zone);
  if (stepMs < DAY_MS) return hour === 0 && minute === 0 ? format(ms, zone, DAY) : format(ms, zone, CLOCK);
  if (month === 1 && day === 1) return format(ms, zone, { year: "numeric" });
  return stepMs < 28 * DAY_MS ? format(ms, zone, DAY) : format(ms, zone, { month: "short" });
}

const STEPS_MIN = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 7200, 10_080];

/** Round moments of the zone's clocks, at most so many of them, for an axis without a chart library. */
export function ticksOf({ from, to }: Span, most: number, zone: string): { at: number; text: string }[] {
  const stepMs = (STEPS_MIN.find((minutes) => (to - from) / (minutes * MINUTE_MS) <= most) ?? STEPS_MIN.at(-1)!) * MINUTE_MS;
  const found: { at: number; text: string }[] = [];
  // by the clocks there, which may be changed on the way: what they show twice, or never, has one label
  for (let shown = Math.ceil((from + offsetMs(from, zone)) / stepMs) * stepMs; ; shown += stepMs) {
    const at = shown - offsetMs(shown - offsetMs(shown, zone), zone);
    if (at >= to) return found;
    if (at > (found.at(-1)?.at ?? -Infinity)) found.push({ at, text: timeLabel(at, stepMs, zone) });
  }
}

/** A moment under the pointer, or the window that begins with it, as exact as the chart can show. */
export function momentLabel(ms: number, span: Span, windowMs: number, zone: string): string {
  const length = span.to - span.from;
  const clock = length <= 4 * 3_600_000 && windowMs < MINUTE_MS ? { ...CLOCK, second: two } : CLOCK;
  if (windowMs >= DAY_MS) return format(ms, zone, { ...DAY, year: "numeric" });
  const date = length > 12 * 3_600_000 ? `${format(ms, zone, DAY)}, ` : "";
  if (windowMs === 0) return date + format(ms, zone, clock);
  return `${date}${format(ms, zone, clock)}–${format(ms + windowMs, zone, clock)}`;
}

export function spanLabel({ from, to }: Span, zone: string): string {
  const clock = to - from < 10 * MINUTE_MS ? { ...CLOCK, second: two } : CLOCK;
  const [day, other] = [format(from, zone, { ...DAY, year: "numeric" }), format(to, zone, { ...DAY, year: "numeric" })];
  if (day === other) return `${day}, ${format(from, zone, clock)} – ${format(to, zone, clock)}`;
  return `${day}, ${format(from, zone, clock)} – ${other}, ${format(to, zone, clock)}`;
}

/** For file names: 2026-01-01T1200. */
export function stamp(ms: number, zone: string): string {
  const { year, month, day, hour, minute } = clockAt(ms, zone);
  const pad = (n: number): string => String(n).padStart(2, "0");
  return `${year}-${pad(month)}-${pad(day)}T${pad(hour)}${pad(minute)}`;
}
