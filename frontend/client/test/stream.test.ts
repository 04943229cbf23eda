// Reading in one's own time: what waits, what is kept, and how it ends.
import { beforeEach, expect, test, vi } from "vitest";
import { connect } from "../src/connect.js";
import { Seen } from "../src/seen.js";
import { FakeSocket, error, reading, readings } from "./sockets.js";

const live = () => connect("http://localhost:5000", { WebSocket: FakeSocket });

beforeEach(() => {
  FakeSocket.all = [];
});

test("the address of the live stream follows from the server's", () => {
  live().subscribe();
  connect("https://example.org/telemetrio/", { WebSocket: FakeSocket }).subscribe();
  expect(FakeSocket.all.map((socket) => socket.url)).toEqual([
    "ws://localhost:5000/ws",
    "wss://example.org/telemetrio/ws",
  ]);
});

test("readings come one by one, in order, and leaving the loop ends it", async () => {
  const stream = live().subscribe();
  FakeSocket.newest.settles("c1");
  FakeSocket.newest.says(readings("c2", reading("d1", 1), reading("d2", 1)), readings("c3", reading("d1", 2)));
  const seen: string[] = [];
  for await (const one of stream) {
    seen.push(`${one.device_id} ${String(one.values["temperature"])}`);
    if (seen.length === 3) break;
  }
  expect(seen).toEqual(["d1 1", "d2 1", "d1 2"]);
  expect(stream.cursor).toBe("c2");
  expect(FakeSocket.newest.closed).toBe(true);
});

test("a reader that waits is woken by what comes", async () => {
  const stream = live().subscribe();
  FakeSocket.newest.settles("c1");
  const next = stream[Symbol.asyncIterator]().next();
  await Promise.resolve();
  FakeSocket.newest.says(readings("c2", reading("d1", 1)));
  expect(await next).toEqual({ done: false, value: reading("d1", 1) });
});

test("events tell everything, and the cursor is that of what was read", async () => {
  const stream = live().subscribe();
  FakeSocket.newest.settles("c1");
  FakeSocket.newest.says(readings("c2", reading("d1", 1)), { type: "heartbeat", cursor: "c3" });
  const types: string[] = [];
  for await (const event of stream.events()) {
    types.push(event.type === "state" ? event.state.phase : event.type);
    if (event.type === "readings") stream.close();
  }
  expect(types).toEqual(["connecting", "live", "subscribed", "readings", "ended", "ended"]);
  expect(stream.cursor).toBe("c3");
});

test("what ends a stream for good is thrown", async () => {
  const stream = live().subscribe({ devices: ["no such id!"] });
  FakeSocket.newest.greets();
  FakeSocket.newest.says(error("bad_message", "devices.0: not an id"));
  const reading_ = async () => {
    for await (const one of stream) expect(one).toBeUndefined();
  };
  await expect(reading_()).rejects.toMatchObject({ code: "bad_message", message: "devices.0: not an id" });
});

test("a reader far behind makes the line hang up, and it goes on from there", async () => {
  const stream = live().subscribe();
  FakeSocket.newest.settles("c1");
  const many = Array.from({ length: 15_000 }, (_, number) => reading(`d${String(number)}`, 1));
  FakeSocket.newest.says(readings("c2", ...many), readings("c3", ...many.map((one) => ({ ...one, measurement: "m" }))));
  expect(FakeSocket.newest.closed).toBe(true);
  let count = 0;
  for await (const one of stream) {
    count += 1;
    if (count === 30_000) {
      expect(one.measurement).toBe("m");
      expect(FakeSocket.all).toHaveLength(1); // the second group is still being read
      break;
    }
  }
});

test("caught up again, it dials, and asks from the last place it heard", async () => {
  const stream = live().subscribe();
  FakeSocket.newest.settles("c1");
  const many = Array.from({ length: 25_000 }, (_, number) => reading(`d${String(number)}`, 1));
  FakeSocket.newest.says(readings("c2", ...many));
  for await (const event of stream.events()) {
    if (event.type === "state" && event.state.phase === "connecting" && FakeSocket.all.length === 2) break;
  }
  expect(FakeSocket.all).toHaveLength(2);
});

test("who reads on after the end is told at once that there is nothing more", async () => {
  const stream = live().subscribe();
  FakeSocket.newest.settles("c1");
  stream.close();
  for (let turn = 0; turn < 2; turn += 1) {
    for await (const one of stream) expect(one).toBeUndefined();
  }
  expect(FakeSocket.all).toHaveLength(1);
});

test.each(["readings", "events"])("who stops waiting for %s is let go", async (what) => {
  const stream = live().subscribe();
  FakeSocket.newest.settles("c1");
  const reader: AsyncIterator<unknown> = what === "events" ? stream.events() : stream[Symbol.asyncIterator]();
  const waiting = async (): Promise<void> => {
    while (!(await reader.next()).done);
  };
  const ended = waiting();
  await Promise.resolve();
  expect(await reader.return?.()).toEqual({ done: true, value: undefined });
  await ended;
  expect(FakeSocket.newest.closed).toBe(true);
});

test("what was waiting can be read after close(), which does not dial again", async () => {
  const stream = live().subscribe();
  FakeSocket.newest.settles("c1");
  const many = Array.from({ length: 25_000 }, (_, number) => reading(`d${String(number)}`, 1));
  FakeSocket.newest.says(readings("c2", ...many));
  stream.close();
  let count = 0;
  for await (const one of stream) count += one.device_id === "" ? 0 : 1;
  expect(count).toBe(25_000);
  expect(FakeSocket.all).toHaveLength(1);
});

test("closing the client ends every subscription", () => {
  const client = live();
  client.subscribe();
  client.subscribe({}, {});
  client.close();
  expect(FakeSocket.all.map((socket) => socket.closed)).toEqual([true, true]);
});

test("what is remembered is bounded, and the last two minutes are in it", () => {
  let now = 0;
  const seen = new Seen(() => now);
  const one = (number: number) => reading(`d${String(number)}`, 1);
  for (let number = 0; number < 10_000; number += 1) seen.take(one(number));
  now = 121_000;
  for (let number = 10_000; number < 20_000; number += 1) seen.take(one(number));
  expect(seen.take(one(0))).toBeNull();
  now = 242_000;
  seen.take(one(20_000));
  expect(seen.take(one(10_000))).toBeNull();
  expect(seen.take(one(0))).not.toBeNull();
});

test.each([
  ["http://localhost:5000", false],
  ["http://127.0.0.1:5000", false],
  ["http://[::1]:5000", false],
  ["http://192.168.1.7:5000", true],
  ["https://localhost.example.org", true],
])("a machine without a network hangs up on %s: %s", (url, hangsUp) => {
  const network = new EventTarget();
  vi.stubGlobal("addEventListener", network.addEventListener.bind(network));
  vi.stubGlobal("removeEventListener", network.removeEventListener.bind(network));
  const client = connect(url, { WebSocket: FakeSocket });
  client.subscribe({}, {});
  FakeSocket.newest.settles("c1");
  network.dispatchEvent(new Event("offline"));
  expect(FakeSocket.newest.closed).toBe(hangsUp);
  client.close();
  vi.unstubAllGlobals();
});

test("where there is no WebSocket a subscription says so, and HTTP works all the same", async () => {
  vi.stubGlobal("WebSocket", undefined);
  vi.stubGlobal("fetch", async () => Response.json([]));
  const client = connect("http://localhost:5000");
  expect(() => client.subscribe()).toThrow("Node 22");
  expect(await client.api.get("/api/v1/devices")).toEqual([]);
  client.close();
  vi.unstubAllGlobals();
});
