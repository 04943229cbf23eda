// The live connection against a socket that does what it is told, and a clock that does not run by itself.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LiveClient } from "../src/live/client";
import type { ConnectionState, Socket } from "../src/live/client";
import type { LiveReading } from "../src/live/messages";

class FakeSocket {
  static all: FakeSocket[] = [];
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  sent: unknown[] = [];
  closed = false;
  constructor() {
    FakeSocket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.closed = true;
  }
  says(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) } as MessageEvent);
  }
  drops(): void {
    this.onclose?.({} as CloseEvent);
  }
  greets(): void {
    this.says({ type: "welcome", version: 1, heartbeat_s: 20 });
    this.says({ type: "subscribed", id: 1, devices: 1, unknown: [] });
  }
}

let states: ConnectionState[] = [];
let readings: LiveReading[] = [];
let restored = 0;

function start(random = () => 0.5): LiveClient {
  const handlers = {
    state: (state: ConnectionState) => states.push(state),
    snapshot: () => undefined,
    readings: (list: LiveReading[]) => readings.push(...list),
    status: () => undefined,
    gap: () => undefined,
    restored: () => (restored += 1),
  };
  const client = new LiveClient(() => new FakeSocket() as unknown as Socket, handlers, random);
  client.start();
  return client;
}

const newest = (): FakeSocket => FakeSocket.all.at(-1) as FakeSocket;
const phase = (): string | undefined => states.at(-1)?.phase;

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  states = [];
  readings = [];
  restored = 0;
});
afterEach(() => vi.useRealTimers());

test("it subscribes once it is welcomed, and is live once that is confirmed", () => {
  start();
  expect(phase()).toBe("connecting");
  newest().says({ type: "welcome", version: 1, heartbeat_s: 20 });
  expect(newest().sent).toEqual([{ type: "subscribe", id: 1, devices: "*" }]);
  expect(phase()).toBe("connecting");
  newest().says({ type: "subscribed", id: 1, devices: 1, unknown: [] });
  expect(phase()).toBe("live");
  expect(restored).toBe(0);
});

test("a lost connection comes back by itself, says when, and asks for what was missed", () => {
  start();
  newest().greets();
  newest().drops();
  const lost = states.at(-1);
  expect(lost).toEqual({ phase: "reconnecting", retryAt: Date.now() + 250, since: Date.now() });
  vi.advanceTimersByTime(249);
  expect(FakeSocket.all).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(FakeSocket.all).toHaveLength(2);
  newest().greets();
  expect(phase()).toBe("live");
  expect(restored).toBe(1);
});

test("silence longer than two heartbeats and a little is a loss", () => {
  start();
  newest().greets();
  vi.advanceTimersByTime(44_000);
  newest().says({ type: "heartbeat", cursor: "x" });
  vi.advanceTimersByTime(44_999);
  expect(phase()).toBe("live");
  vi.advanceTimersByTime(1);
  expect(phase()).toBe("reconnecting");
  expect(FakeSocket.all[0]?.closed).toBe(true);
});

test("a server that accepts and never says welcome is given up after ten seconds", () => {
  start();
  vi.advanceTimersByTime(10_000);
  expect(phase()).toBe("reconnecting");
});

test("the waits grow to fifteen seconds, and begin anew after a success", () => {
  start(() => 1);
  const waits: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    newest().drops();
    const state = states.at(-1);
    const retryAt = state?.phase === "reconnecting" ? (state.retryAt ?? 0) : 0;
    waits.push(retryAt - Date.now());
    vi.advanceTimersByTime(retryAt - Date.now());
  }
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  newest().greets();
  newest().drops();
  expect(states.at(-1)).toMatchObject({ retryAt: Date.now() + 500 });
});

test("what an abandoned socket still says changes nothing", () => {
  start();
  const first = newest();
  first.greets();
  first.drops();
  vi.advanceTimersByTime(250);
  newest().greets();
  first.says({ type: "readings", readings: [{ device_id: "d" }] });
  first.drops();
  expect(readings).toEqual([]);
  expect(phase()).toBe("live");
});

test("without a network it says offline and does not dial until it is told to", () => {
  const client = start();
  newest().greets();
  client.networkLost();
  expect(phase()).toBe("offline");
  vi.advanceTimersByTime(60_000);
  expect(FakeSocket.all).toHaveLength(1);
  client.retryNow();
  newest().greets();
  expect(phase()).toBe("live");
  expect(restored).toBe(1);
});

test("after stop nothing is dialled and nothing is timed", () => {
  const client = start();
  newest().greets();
  client.stop();
  expect(vi.getTimerCount()).toBe(0);
  client.retryNow();
  expect(FakeSocket.all).toHaveLength(1);
});

test("text that is no message, or of an unknown type, is passed over", () => {
  start();
  newest().greets();
  newest().onmessage?.({ data: "{" } as MessageEvent);
  newest().says({ type: "from the future" });
  newest().says({ type: "readings", readings: "none" });
  newest().says({ type: "readings", readings: [{ device_id: "d" }] });
  expect(readings).toEqual([{ device_id: "d" }]);
  expect(phase()).toBe("live");
});
