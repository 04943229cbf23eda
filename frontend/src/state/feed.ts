// Wires the live connection and the API to the fleet: what arrives, what is asked for again, and who is told.
import { ref, shallowRef } from "vue";
import { connect } from "@telemetrio/client";
import type { ConnectionState, GapEvent, Handlers, ReadingsEvent, Subscription } from "@telemetrio/client";
import { readTicket } from "../api/accounts";
import { Refused } from "../api/http";
import { listDevices } from "../api/devices";
import type { LiveReading } from "../live/messages";
import { takeReadings, takeRecords, takeStatus } from "./fleet";
import { count } from "./rate";
import { useSession } from "./session";

const REFRESH_MS = 30_000;
const RETRY_MS = 3_000;
const STRANGERS_WAIT_MS = 300;
/** The list is about a second behind those who speak for the first time. */
const UNLISTED_MS = 1_000;
const NOTICE_MS = 2_000;

export const connection = shallowRef<ConnectionState>({ phase: "connecting" });
/** The list has been read at least once. */
export const loaded = ref(false);
/** Since when the API does not answer (epoch ms); null while it does. */
export const apiAwaySince = ref<number | null>(null);

type Listener = { readings(readings: readonly LiveReading[]): void; missed(): void };
const listeners = new Set<Listener>();

/** For what needs every reading itself: the open device's chart. Returns how to stop. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** One that fails is told to the console, and costs the others nothing. */
function tell(what: (listener: Listener) => void): void {
  for (const listener of listeners) {
    try {
      what(listener);
    } catch (error) {
      reportError(error);
    }
  }
}

let refreshTimer: ReturnType<typeof setTimeout> | undefined;
let asking: Promise<void> | null = null;
let askingNext: Promise<void> | null = null;

/**
 * Asks for the list now, and then every 30 s; one request at a time. Done when a list has come, or failed to, that was asked
 * for no sooner than this: one that is under way may not have what was just changed.
 */
export function refresh(): Promise<void> {
  if (asking === null) {
    asking = ask().finally(() => (asking = null));
    return asking;
  }
  askingNext ??= asking.then(() => {
    askingNext = null;
    return refresh();
  });
  return askingNext;
}

async function ask(): Promise<void> {
  clearTimeout(refreshTimer);
  let againMs = REFRESH_MS;
  try {
    if (takeRecords(await listDevices())) againMs = UNLISTED_MS;
    loaded.value = true;
    apiAwaySince.value = null;
  } catch (error) {
    // shown by the page, and tried again; a server that says no is there
    apiAwaySince.value = error instanceof Refused ? null : (apiAwaySince.value ?? Date.now());
    if (apiAwaySince.value !== null) againMs = RETRY_MS;
  }
  refreshSoon(againMs);
}

function refreshSoon(delayMs: number): void {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(() => void refresh(), delayMs);
}

/** The store has caught up after an outage: what live skipped can be read now. */
export function askAgain(): void {
  tell((listener) => listener.missed());
}

/** What came back with the connection is told like any other; only what it can't bring is read again. */
function takeGap(gap: GapEvent): void {
  count(gap.dropped);
  if (gap.refilling) return;
  void refresh();
  askAgain();
}

function takeLive({ readings, replayed }: ReadingsEvent): void {
  if (!replayed) count(readings.length);
  tell((listener) => listener.readings(readings));
  if (takeReadings(readings, !replayed).length > 0) refreshSoon(STRANGERS_WAIT_MS);
}

const handlers: Handlers = {
  state: ({ state }) => {
    const lost = state.phase === "reconnecting" && connection.value.phase !== "reconnecting";
    connection.value = state;
    // is only the connection gone, or the whole server? A quick restart must not raise an alarm
    if (lost && apiAwaySince.value === null) refreshSoon(NOTICE_MS);
  },
  snapshot: ({ readings }) => {
    if (takeReadings(readings, false).length > 0) refreshSoon(STRANGERS_WAIT_MS);
  },
  readings: takeLive,
  status: takeStatus,
  gap: takeGap,
  caught_up: () => void refresh(), // names and owners may have changed meanwhile
  notice: ({ code, message }) => console.warn(`live: ${code}: ${message}`),
};

let live: Subscription | null = null;

export const retryNow = (): void => live?.retryNow();

export function startFeed(): void {
  // what a slow page could not take is not sent again: it reads what it shows
  live = connect("", { ticket }).subscribe({ devices: "*", refill: ["feed", "not_stored_yet"] }, handlers);
  void refresh();
}

/** For a server that asks who one is. */
async function ticket(): Promise<string | null> {
  return useSession().required ? readTicket() : null;
}
