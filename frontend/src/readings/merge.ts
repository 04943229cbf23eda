// History and live become one list: sorted by time, each reading once.
import type { LiveReading, Values } from "../live/messages";
import { toMs } from "./timestamps";

export interface Row {
  /** The identity: as text these sort by time. */
  timestamp: string;
  t: number;
  values: Values;
}

export function toRow(reading: LiveReading): Row {
  return { timestamp: reading.timestamp, t: toMs(reading.timestamp), values: reading.values };
}

/** Sorted, and one row per timestamp: fields merge, the later one wins, as in the store. */
export function sortRows(rows: readonly Row[]): Row[] {
  const sorted = [...rows].sort(byTimestamp);
  const once: Row[] = [];
  for (const row of sorted) {
    const last = once.at(-1);
    if (last?.timestamp === row.timestamp) once[once.length - 1] = { ...last, values: { ...last.values, ...row.values } };
    else once.push(row);
  }
  return once;
}

/** Two sorted lists as one. Appending live readings to a long history, the usual case, costs only what is appended. */
export function mergeRows(left: Row[], right: Row[]): Row[] {
  const last = left.at(-1);
  const first = right[0];
  if (last === undefined) return right;
  if (first === undefined) return left;
  if (last.timestamp < first.timestamp) return left.concat(right);
  return sortRows(left.concat(right));
}

/** Without what is older than `from`; the same list where nothing is. */
export function trimRows(rows: Row[], from: number): Row[] {
  const first = rows[0];
  if (first === undefined || first.t >= from) return rows;
  return rows.slice(firstAtOrAfter(rows, from));
}

/** Index of the first row at or after `t`, by bisection. */
export function firstAtOrAfter(rows: readonly Row[], t: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.t ?? Infinity) < t) low = middle + 1;
    else high = middle;
  }
  return low;
}

function byTimestamp(a: Row, b: Row): number {
  return a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0;
}
