// Between the server's timestamps (ISO 8601 UTC, 9 fraction digits) and the milliseconds that charts and clocks use.

/** Milliseconds since 1970 with the fraction kept; NaN for text that is no such timestamp. */
export function toMs(timestamp: string): number {
  const dot = timestamp.indexOf(".");
  if (dot < 0) return Date.parse(timestamp);
  const end = timestamp.endsWith("Z") ? timestamp.length - 1 : timestamp.length;
  const seconds = Date.parse(`${timestamp.slice(0, dot)}Z`);
  return seconds + Number(`0.${timestamp.slice(dot + 1, end)}`) * 1000;
}

/** Whole microseconds, as the API's `epoch=us` has them: rounded down, exact in a double until 2255. */
export function toUs(timestamp: string): number {
  const dot = timestamp.indexOf(".");
  if (dot < 0) return Date.parse(timestamp) * 1000;
  const fraction = /^\d+/.exec(timestamp.slice(dot + 1))?.[0] ?? "";
  return Date.parse(`${timestamp.slice(0, dot)}Z`) * 1000 + Number(fraction.slice(0, 6).padEnd(6, "0"));
}
