// Wires the live connection and the API to the fleet: what arrives, what is asked for again, and who is told.
import { ref, shallowRef } from "vue";
import { readTicket } from "../api/accounts";
import { Refused } from "../api/http";
import { listDevices } from "../api/routes";
import { LiveClient } from "../live/client";
import type { ConnectionState, Socket } from "../live/client";
import type { LiveReading } from "../live/messages";
import { TicketedSocket } from "../live/ticketed";
import { takeReadings, takeRecords, takeStatus } from "./fleet";
import { count } from "./rate";
import { useSession } from "./session";

const REFRESH_MS = 30_000;
const RETRY_MS = 3_000;
const STRANGERS_WAIT_MS = 300;
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

let refreshTimer: ReturnType<typeof setTimeout> | undefined;
let asking = false;

/** Asks for the list now and then every 30 s; one request at a time. */
export async function refresh(): Promise<void> {
  if (asking) return;
  asking = true;
  clearTimeout(refreshTimer);
  try {
    takeRecords(await listDevices());
    loaded.value = true;
    apiAwaySince.value = null;
  } catch (error) {
    // shown by the page, and tried again below; a server that says no is there
    if (!(error instanceof Refused)) apiAwaySince.value ??= Date.now();
  } finally {
    asking = false;
    refreshSoon(apiAwaySince.value === null ? REFRESH_MS : RETRY_MS);
  }
}

function refreshSoon(delayMs: number): void {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(() => void refresh(), delayMs);
}

/** The store has caught up after an outage: what live skipped can be read now. */
export function askAgain(): void {
  for (const listener of listeners) listener.missed();
}

function missed(): void {
  void refresh();
  askAgain();
}

const client = new LiveClient(openSocket, {
  state: (state) => {
    connection.value = state;
    // is only the connection gone, or the whole server? A quick restart must not raise an alarm
    if (state.phase === "reconnecting" && apiAwaySince.value === null) refreshSoon(NOTICE_MS);
  },
  snapshot: (readings) => {
    if (takeReadings(readings, false).length > 0) refreshSoon(STRANGERS_WAIT_MS);
  },
  readings: (readings) => {
    count(readings.length);
    for (const listener of listeners) listener.readings(readings);
    if (takeReadings(readings, true).length > 0) refreshSoon(STRANGERS_WAIT_MS);
  },
  status: takeStatus,
  gap: (gap) => {
    count(gap.dropped);
    missed();
  },
  restored: missed,
});

export const retryNow = (): void => client.retryNow();

export function startFeed(): void {
  addEventListener("offline", () => client.networkLost());
  addEventListener("online", () => client.retryNow());
  client.start();
  void refresh();
}

function openSocket(): Socket {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const address = `${scheme}://${location.host}/ws`;
  return useSession().required ? new TicketedSocket(address, readTicket) : new WebSocket(address);
}
