// A server that says what a test tells it to, over sockets that never leave the process.
import type { Socket } from "../src/line.js";

export class FakeSocket implements Socket {
  static all: FakeSocket[] = [];
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  sent: Record<string, unknown>[] = [];
  closed = false;

  constructor(readonly url = "") {
    FakeSocket.all.push(this);
  }

  static get newest(): FakeSocket {
    const found = FakeSocket.all.at(-1);
    if (found === undefined) throw new Error("nobody has dialled");
    return found;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(): void {
    this.closed = true;
  }

  opens(): void {
    this.onopen?.call(this as unknown as WebSocket, {} as Event);
  }
  hears(data: string): void {
    this.onmessage?.call(this as unknown as WebSocket, { data } as MessageEvent);
  }
  says(...messages: unknown[]): void {
    for (const message of messages) this.hears(JSON.stringify(message));
  }
  drops(code = 1006, reason = ""): void {
    this.onclose?.call(this as unknown as WebSocket, { code, reason } as CloseEvent);
  }

  /** Up to the confirmation of the first `subscribe`. */
  greets(): void {
    this.opens();
    this.says({ type: "welcome", version: 1, heartbeat_s: 20 }, { type: "subscribed", id: 1, devices: 1, unknown: [] });
  }
  /** Live, at this place. */
  settles(cursor: string): void {
    this.greets();
    this.says({ type: "caught_up", id: 1, cursor });
  }
}

export function reading(device_id: string, second: number, values: Record<string, number> = { temperature: second }) {
  const timestamp = `2026-01-01T12:00:${String(second).padStart(2, "0")}.000000000Z`;
  return { device_id, timestamp, measurement: "sensor_data", values };
}

export const readings = (cursor: string, ...list: unknown[]) => ({ type: "readings", cursor, readings: list });
export const history = (...list: unknown[]) => ({ type: "history", id: 1, readings: list });
export const caughtUp = (cursor: string) => ({ type: "caught_up", id: 1, cursor });
export const error = (code: string, message = "") => ({ type: "error", id: 1, code, message });
export function gap(since: string, reason: string) {
  const from = "2026-01-01T12:00:01.000000000Z";
  return { type: "gap", devices: "*", since, from, to: from, dropped: 0, reason };
}
