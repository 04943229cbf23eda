// Which devices are shown, and in which order: read from the address and written there, so that a view can be shared.
import type { Device, DeviceView } from "./fleet";

export const STATUSES = ["online", "offline", "never", "unclaimed", "disabled"] as const;
export type Status = (typeof STATUSES)[number];
export const SORTS = ["name", "device_id", "status", "profile", "last_seen"] as const;
export type SortKey = (typeof SORTS)[number];

export interface View {
  q: string;
  status: Status | "";
  profile: string;
  /** As the API writes it: `-` before it is descending. */
  sort: SortKey | `-${SortKey}`;
  show: "table" | "cards";
}

export const PLAIN: View = { q: "", status: "", profile: "", sort: "name", show: "table" };

type Query = Record<string, unknown>;

/** What an address says; what it says wrongly is left out. */
export function readView(query: Query): View {
  const text = (name: string): string => (typeof query[name] === "string" ? query[name] : "");
  const sort = text("sort");
  return {
    q: text("q"),
    status: STATUSES.find((status) => status === text("status")) ?? "",
    profile: text("profile"),
    sort: SORTS.some((key) => key === sort.replace(/^-/, "")) ? (sort as View["sort"]) : PLAIN.sort,
    show: text("show") === "cards" ? "cards" : "table",
  };
}

/** Only what differs from the plain view. */
export function writeView(view: View): Record<string, string> {
  const names = Object.keys(PLAIN) as (keyof View)[];
  return Object.fromEntries(names.filter((name) => view[name] !== PLAIN[name]).map((name) => [name, view[name]]));
}

export function select(devices: readonly Device[], view: View): Device[] {
  const words = view.q.trim().toLowerCase();
  const chosen = devices.filter((device) => matches(device, view, words));
  const order = orders[view.sort.replace(/^-/, "") as SortKey];
  const sign = view.sort.startsWith("-") ? -1 : 1;
  return chosen.sort((a, b) => sign * order(a, b) || byName(a, b));
}

export function isOf(status: Status, seen: DeviceView): boolean {
  switch (status) {
    case "online":
      return seen.online;
    case "offline":
      return !seen.online && seen.lastSeenMs !== null;
    case "never":
      return !seen.online && seen.lastSeenMs === null;
    case "unclaimed":
      return !seen.claimed;
    case "disabled":
      return seen.disabled;
  }
}

export function countBy<K extends string>(devices: readonly Device[], key: (seen: DeviceView) => K): Map<K, number> {
  const counts = new Map<K, number>();
  for (const { next } of devices) counts.set(key(next), (counts.get(key(next)) ?? 0) + 1);
  return counts;
}

function matches({ device_id, next }: Device, view: View, words: string): boolean {
  if (view.status !== "" && !isOf(view.status, next)) return false;
  if (view.profile !== "" && next.profile !== view.profile) return false;
  return words === "" || device_id.toLowerCase().includes(words) || next.name.toLowerCase().includes(words);
}

type Order = (a: Device, b: Device) => number;
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const byId: Order = (a, b) => collator.compare(a.device_id, b.device_id);
const byName: Order = (a, b) => collator.compare(a.next.name, b.next.name) || byId(a, b);
const orders: Record<SortKey, Order> = {
  name: byName,
  device_id: byId,
  status: (a, b) => Number(b.next.online) - Number(a.next.online),
  profile: (a, b) => collator.compare(a.next.profile, b.next.profile),
  last_seen: (a, b) => (a.next.lastSeenMs ?? 0) - (b.next.lastSeenMs ?? 0),
};

/** Who spoke within the same minute is as recent as another: those stand by name, so that they keep their places. */
export function mostRecent(devices: readonly Device[], now: number, most: number): Device[] {
  const minutes = ({ next }: Device): number => (next.lastSeenMs === null ? Infinity : Math.floor(Math.max(0, now - next.lastSeenMs) / 60_000));
  const spoke = devices.filter(({ next }) => next.lastSeenMs !== null);
  const shown = spoke.length > 0 ? spoke : devices;
  return shown.toSorted((a, b) => cmp(minutes(a), minutes(b)) || byName(a, b)).slice(0, most);
}

function cmp(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
