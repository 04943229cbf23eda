// Numbers as people read them: the usual metrics with a fixed precision, so that their digits do not dance.
import type { Value } from "../live/messages";

const DIGITS: Record<string, number> = { temperature: 1, humidity: 1, pressure: 1 };
const UNITS: Record<string, string> = { temperature: "°C", humidity: "%", pressure: "hPa" };
const MINUS = "\u2212";
const THIN_SPACE = "\u202f";

/** `units` is the device's own declaration; the three usual metrics have one without. */
export function unitOf(metric: string, units: Record<string, string>): string {
  return units[metric] ?? UNITS[metric] ?? "";
}

export function formatValue(metric: string, value: Value): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "string") return value;
  return formatNumber(value, DIGITS[metric] ?? digitsFor(value));
}

export function formatNumber(value: number, digits: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e9 || (size > 0 && size < 1e-4)) return value.toExponential(3).replaceAll("-", MINUS);
  const text = size.toFixed(digits);
  const sign = value < 0 && Number(text) !== 0 ? MINUS : "";
  return sign + grouped(text);
}

export function formatCount(value: number): string {
  return grouped(String(Math.round(value)));
}

export function formatRate(perSecond: number): string {
  return perSecond >= 10 ? formatCount(perSecond) : formatNumber(perSecond, 1);
}

/** As many decimals as still carry something, at this size. */
function digitsFor(value: number): number {
  if (Number.isInteger(value)) return 0;
  const size = Math.abs(value);
  return size >= 1000 ? 1 : size >= 1 ? 2 : 4;
}

function grouped(text: string): string {
  const [whole = "", fraction] = text.split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+$)/g, THIN_SPACE);
  return fraction === undefined ? spaced : `${spaced}.${fraction}`;
}
