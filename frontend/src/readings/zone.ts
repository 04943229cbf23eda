// Clocks and calendars of a time zone, from what the browser knows of it.

export interface Clock {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let found = formats.get(zone);
  if (found === undefined) {
    const numeric = "numeric" as const;
    found = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, hourCycle: "h23", year: numeric, month: numeric, day: numeric, hour: numeric, minute: numeric, second: numeric,
    });
    formats.set(zone, found);
  }
  return found;
}

/** What the clocks and calendars there show at `ms`. */
export function clockAt(ms: number, zone: string): Clock {
  const parts = formatOf(zone).formatToParts(ms).filter(({ type }) => type !== "literal");
  return { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0, ...Object.fromEntries(parts.map(({ type, value }) => [type, Number(value)])) };
}

/** When clocks there show this; of an hour that they skip, the moment after it. */
export function momentOf({ year, month, day, hour, minute, second }: Clock, zone: string): number {
  const wished = Date.UTC(year, month - 1, day, hour, minute, second);
  let found = wished - offsetMs(wished, zone);
  found = wished - offsetMs(found, zone);
  return found;
}

export function offsetMs(ms: number, zone: string): number {
  const { year, month, day, hour, minute, second } = clockAt(ms, zone);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1000) * 1000;
}

const PATTERN = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d))?/;

/** What a field of type datetime-local holds, and back. */
export function fieldOf(ms: number, zone: string): string {
  const { year, month, day, hour, minute } = clockAt(ms, zone);
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}`;
}

export function momentIn(field: string, zone: string): number | null {
  const found = PATTERN.exec(field);
  if (found === null) return null;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = found.slice(1).map((part) => Number(part || 0));
  return momentOf({ year, month, day, hour, minute, second }, zone);
}
