// What somebody should look at, the worst first, each with the way to where it is mended.
import type { CodeCount } from "../api/letters";
import type { BookTotals } from "../api/ingest";
import type { Device } from "../state/fleet";
import { reasonOf } from "./codes";
import { formatCount } from "./numbers";
import { ago } from "./times";

export interface Concern {
  key: string;
  level: "bad" | "warn" | "info";
  title: string;
  detail: string;
  to?: { path: string; query?: Record<string, string> };
}

/** A device that is switched off for a moment is nobody's concern. */
export const LONG_MS = 3_600_000;
/** So much on its way to the store is a backlog. */
const BACKLOG = 5_000;
const REASONS = 2;
const LEVELS = { bad: 0, warn: 1, info: 2 };

export interface Situation {
  now: number;
  devices: readonly Device[];
  books: BookTotals | null;
  storeStalled: boolean;
  reasons: readonly CodeCount[];
}

export function concerns(seen: Situation): Concern[] {
  return [...ofBooks(seen), ...ofLetters(seen.reasons), ...ofDevices(seen)].sort((a, b) => LEVELS[a.level] - LEVELS[b.level]);
}

function ofBooks({ books, storeStalled }: Situation): Concern[] {
  if (books === null) return [];
  const found: Concern[] = [];
  if (!books.balanced) {
    found.push({ key: "unbalanced", level: "bad", title: "Books do not balance", detail: "Run telemetrio doctor: it recounts them." });
  }
  if (storeStalled) {
    found.push({ key: "store", level: "bad", title: "The store takes nothing", detail: `${formatCount(books.spooled)} readings wait safely on disk.` });
  } else if (books.spooled > BACKLOG) {
    found.push({ key: "store", level: "warn", title: "The store is behind", detail: `${formatCount(books.spooled)} readings are on their way to it.` });
  }
  return found;
}

function ofLetters(reasons: readonly CodeCount[]): Concern[] {
  const shown = reasons.slice(0, REASONS).map(({ code, letters, devices }): Concern => ({
    key: `letters-${code}`,
    level: "warn",
    title: `${formatCount(letters)} ${letters === 1 ? "dead letter" : "dead letters"}: ${reasonOf(code).title}`,
    detail: devices === 1 ? "Of one device" : `Of ${formatCount(devices)} devices`,
    to: { path: "/dead-letters", query: { code } },
  }));
  const rest = reasons.slice(REASONS);
  if (rest.length > 0) {
    const n = rest.reduce((sum, { letters }) => sum + letters, 0);
    shown.push({ key: "letters", level: "warn", title: `${formatCount(n)} more ${n === 1 ? "dead letter" : "dead letters"}`, detail: rest.length === 1 ? "For another reason" : `For ${rest.length} other reasons`, to: { path: "/dead-letters" } });
  }
  return shown;
}

function ofDevices({ now, devices }: Situation): Concern[] {
  const expected = devices.filter(({ next }) => !next.disabled);
  const silent = expected.filter(({ next }) => !next.online && next.lastSeenMs !== null && now - next.lastSeenMs > LONG_MS);
  const unclaimed = expected.filter(({ next }) => !next.claimed).length;
  const found: Concern[] = [];
  if (silent.length > 0) {
    const longest = silent.reduce((a, b) => ((a.next.lastSeenMs ?? 0) <= (b.next.lastSeenMs ?? 0) ? a : b));
    found.push({
      key: "silent",
      level: "warn",
      title: `${formatCount(silent.length)} ${silent.length === 1 ? "device" : "devices"} offline for over an hour`,
      detail: `${longest.next.name}: seen ${ago(now - (longest.next.lastSeenMs ?? 0))}`,
      to: { path: "/devices", query: { status: "offline", sort: "last_seen" } },
    });
  }
  if (unclaimed > 0) {
    found.push({
      key: "unclaimed",
      level: "info",
      title: `${formatCount(unclaimed)} ${unclaimed === 1 ? "device" : "devices"} without a name`,
      detail: "Registered by publishing: claim what is yours",
      to: { path: "/devices", query: { status: "unclaimed" } },
    });
  }
  return found;
}
