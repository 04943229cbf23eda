// Which metrics come first and which colour each keeps: the same on a card, in a chart, on every device.
import type { Values } from "../live/messages";

const FIRST = ["temperature", "humidity", "pressure"];
const HUES = 8;
/** No picture of them is scaled up to less than this: noise must not look like news. */
export const LEAST_RANGE: Record<string, number> = { temperature: 1, humidity: 2, pressure: 1 };

export function sortMetrics(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}

export function numericMetrics(values: Values): string[] {
  return sortMetrics(Object.keys(values).filter((name) => typeof values[name] === "number"));
}

/** A custom property of styles/tokens.css: the name decides, so that a metric never changes its colour. */
export function hueOf(metric: string): string {
  const known = FIRST.indexOf(metric);
  if (known >= 0) return `--hue-${known}`;
  let sum = 0;
  for (const letter of metric) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return `--hue-${FIRST.length + (sum % (HUES - FIRST.length))}`;
}

export function labelOf(metric: string): string {
  const words = metric.replaceAll(/[_.-]+/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function rank(metric: string): number {
  const known = FIRST.indexOf(metric);
  return known < 0 ? FIRST.length : known;
}
