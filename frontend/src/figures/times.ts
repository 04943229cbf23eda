// Times as people say them.

export function ago(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ago`;
  return `${Math.floor(hours / 24)} days ago`;
}

let clock: Intl.DateTimeFormat;
let day: Intl.DateTimeFormat;
let fullDay: Intl.DateTimeFormat;

/** The time zone of everything that is written from now on; undefined: the browser's. */
export function readIn(timeZone?: string): void {
  clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone });
  day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone });
  fullDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone });
}
readIn();

export function timeOfDay(ms: number): string {
  return clock.format(ms);
}

export function dayAndTime(ms: number): string {
  return `${day.format(ms)}, ${clock.format(ms)}`;
}

/** Day and time in any time zone, with the zone's own short name. */
export function timeIn(timeZone: string, ms: number): string {
  const parts = { weekday: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short" } as const;
  return new Intl.DateTimeFormat("en-GB", { ...parts, timeZone }).format(ms);
}

/** A day, with its year. */
export function date(ms: number): string {
  return fullDay.format(ms);
}
