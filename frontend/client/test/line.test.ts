// The connection against sockets that do what they are told, and a clock that does not run by itself.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { backoffMs } from "../src/backoff.js";
import { Refused, Unreachable } from "../src/errors.js";
import type { ServerMessage } from "../src/generated/messages.js";
import { Line } from "../src/line.js";
import type { ConnectionState, Way } from "../src/line.js";
import { FakeSocket } from "./sockets.js";

let states: ConnectionState[] = [];
let heard: ServerMessage[] = [];

function start(way: Partial<Way> = {}): Line {
  const line = new Line(
    { open: () => new FakeSocket(), random: () => 0.5, ...way },
    {
      state: (state) => states.push(state),
      message: (message) => {
        heard.push(message);
        if (message.type === "subscribed") line.settled();
      },
    },
  );
  line.start();
  return line;
}

const phase = () => states.at(-1)?.phase;
const waitMs = () => {
  const state = states.at(-1);
  return state?.phase === "reconnecting" ? (state.retryAt ?? NaN) - Date.now() : NaN;
};

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  states = [];
  heard = [];
});
afterEach(() => vi.useRealTimers());

test("a lost connection comes back by itself, and says when and since when", () => {
  start();
  FakeSocket.newest.greets();
  FakeSocket.newest.drops();
  expect(states.at(-1)).toEqual({ phase: "reconnecting", retryAt: Date.now() + 250, since: Date.now() });
  vi.advanceTimersByTime(249);
  expect(FakeSocket.all).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(FakeSocket.all).toHaveLength(2);
  FakeSocket.newest.greets();
  expect(phase()).toBe("live");
});

test("silence longer than two heartbeats and a little is a loss", () => {
  start();
  FakeSocket.newest.greets();
  vi.advanceTimersByTime(44_000);
  FakeSocket.newest.says({ type: "heartbeat", cursor: "x" });
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
  start({ random: () => 1 });
  const waits: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    FakeSocket.newest.drops();
    waits.push(waitMs());
    vi.advanceTimersByTime(waitMs());
  }
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  FakeSocket.newest.greets();
  FakeSocket.newest.drops();
  expect(waitMs()).toBe(500);
});

test("backoff has full jitter between its floor and its ceiling", () => {
  expect(backoffMs(0, () => 0)).toBe(100);
  expect(backoffMs(0, () => 1)).toBe(500);
  expect(backoffMs(40, () => 1)).toBe(15_000);
});

test("what an abandoned socket still says changes nothing", () => {
  start();
  const first = FakeSocket.newest;
  first.greets();
  first.drops();
  vi.advanceTimersByTime(250);
  FakeSocket.newest.greets();
  const count = heard.length;
  first.says({ type: "pong" });
  first.drops();
  expect(heard).toHaveLength(count);
  expect(phase()).toBe("live");
});

test("text that is no message, or of an unknown type, is passed over", () => {
  start();
  FakeSocket.newest.greets();
  const count = heard.length;
  FakeSocket.newest.hears("{");
  FakeSocket.newest.says(null, { type: "from the future" }, { type: "readings", readings: "none" }, { type: "pong" });
  expect(heard.slice(count)).toEqual([{ type: "pong" }]);
});

test("an overloaded server is left alone for as long as it says", () => {
  start();
  FakeSocket.newest.drops(1013, "overloaded: come back in 2.7 s");
  expect(waitMs()).toBe(2700);
});

test("a restarting server is come back to after a random delay", () => {
  start({ random: () => 0.9 });
  FakeSocket.newest.drops(1012, "restart");
  expect(waitMs()).toBe(450);
});

test("one connection too many comes back much later", () => {
  start();
  FakeSocket.newest.drops(4429, "too many");
  expect(waitMs()).toBe(22_500);
});

test.each([1009, 4400, 4403])("close code %d is the end, until somebody says otherwise", (code) => {
  const line = start();
  FakeSocket.newest.drops(code, "no");
  expect(states.at(-1)).toMatchObject({ phase: "ended", error: { code, message: "no" } });
  vi.advanceTimersByTime(60_000);
  expect(FakeSocket.all).toHaveLength(1);
  line.retryNow();
  expect(FakeSocket.all).toHaveLength(2);
});

test("each connection shows a ticket of its own, before anything else", async () => {
  let made = 0;
  start({ ticket: () => Promise.resolve(`ticket-${String((made += 1))}`) });
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.newest.greets();
  expect(FakeSocket.newest.sent).toEqual([{ type: "auth", ticket: "ticket-1" }]);
  FakeSocket.newest.drops(4401, "a day is over: log in again");
  await vi.advanceTimersByTimeAsync(250);
  FakeSocket.newest.opens();
  expect(FakeSocket.newest.sent).toEqual([{ type: "auth", ticket: "ticket-2" }]);
});

test("a ticket that nobody saw is kept for the next attempt, as long as it is good", async () => {
  let made = 0;
  const line = start({ ticket: () => Promise.resolve(`ticket-${String((made += 1))}`) });
  await vi.advanceTimersByTimeAsync(0);
  for (const [later, tickets] of [[250, 1], [500, 1], [1_000, 1], [40_000, 2]] as const) {
    FakeSocket.newest.drops();
    await vi.advanceTimersByTimeAsync(later);
    expect(made).toBe(tickets);
  }
  FakeSocket.newest.opens();
  expect(FakeSocket.newest.sent).toEqual([{ type: "auth", ticket: "ticket-2" }]);
  line.end(null);
  line.retryNow(); // somebody else, perhaps
  await vi.advanceTimersByTimeAsync(0);
  expect(made).toBe(3);
});

test("a second ticket that is refused says that nobody is logged in", async () => {
  start({ ticket: () => Promise.resolve("stale") });
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.newest.drops(4401, "no");
  await vi.advanceTimersByTimeAsync(250);
  FakeSocket.newest.drops(4401, "no");
  expect(states.at(-1)).toMatchObject({ phase: "ended", error: { code: 4401 } });
});

test("begun anew after the end, it bears one refused ticket as at the beginning", async () => {
  const line = start({ ticket: () => Promise.resolve("stale") });
  for (const ends of [false, true, false, true]) {
    await vi.advanceTimersByTimeAsync(250);
    FakeSocket.newest.drops(4401, "no");
    expect(phase()).toBe(ends ? "ended" : "reconnecting");
    if (ends) line.retryNow();
  }
});

test("without a ticket it asks at once whether one is needed", () => {
  start();
  FakeSocket.newest.opens();
  expect(FakeSocket.newest.sent).toEqual([{ type: "ping" }]);
  FakeSocket.newest.drops(4401, "log in first");
  expect(states.at(-1)).toMatchObject({ phase: "ended", error: { code: 4401, message: "log in first" } });
});

test("an api that is away is asked for a ticket again; one that refuses ends it", async () => {
  const answers: Error[] = [new Unreachable("away"), new Refused(401, "session_ended", "Log in again")];
  start({ ticket: () => Promise.reject(answers.shift() ?? new Error("asked too often")) });
  await vi.advanceTimersByTimeAsync(0);
  expect(phase()).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(250);
  expect(states.at(-1)).toMatchObject({ phase: "ended", error: { code: "session_ended" } });
  expect(FakeSocket.all).toHaveLength(0);
});

test("an api that is asked for tickets too often is asked again when it says", async () => {
  const answers: Error[] = [new Refused(429, "rate_limited", "Too often", [], null, 7_000), new Refused(429, "rate_limited", "Too often")];
  start({ ticket: () => Promise.reject(answers.shift() ?? new Error("away")) });
  await vi.advanceTimersByTimeAsync(0);
  expect(waitMs()).toBe(7_000);
  await vi.advanceTimersByTimeAsync(7_000);
  expect(waitMs()).toBe(500);
});

test("without a network it says offline and does not dial until it is told to", () => {
  const line = start();
  FakeSocket.newest.greets();
  line.networkLost();
  expect(phase()).toBe("offline");
  vi.advanceTimersByTime(60_000);
  expect(FakeSocket.all).toHaveLength(1);
  line.retryNow();
  FakeSocket.newest.greets();
  expect(phase()).toBe("live");
});

test("after the end nothing is dialled and nothing is timed", () => {
  const line = start();
  FakeSocket.newest.greets();
  line.end(null);
  line.end(null);
  expect(states.filter((state) => state.phase === "ended")).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});
