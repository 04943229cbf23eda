// Where a subscription goes on after a loss, and that it tells each reading once: docs/protocol.md, "Coming back".
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Handlers, LiveEvent, Reading } from "../src/events.js";
import { Subscription } from "../src/subscription.js";
import type { SubscribeOptions } from "../src/subscription.js";
import { FakeSocket, caughtUp, error, gap, history, reading, readings } from "./sockets.js";

let events: LiveEvent[] = [];
const way = { open: () => new FakeSocket(), random: () => 0.5 };

function subscribe(options: SubscribeOptions = {}): Subscription {
  const take = (event: LiveEvent) => events.push(event);
  const handlers: Handlers = {
    readings: take,
    snapshot: take,
    caught_up: take,
    gap: take,
    refilled: take,
    notice: take,
    ended: take,
    subscribed: take,
    status: take,
  };
  return new Subscription(way, options, handlers);
}

const of = <T extends LiveEvent["type"]>(type: T) =>
  events.filter((event): event is Extract<LiveEvent, { type: T }> => event.type === type);
const told = (): Reading[] => of("readings").flatMap((event) => event.readings);
const asked = () => FakeSocket.newest.sent.filter((message) => message["type"] === "subscribe");
/** The place asked for last. */
const since = () => asked().at(-1)?.["since"];

function comeBack(): void {
  FakeSocket.newest.drops();
  vi.advanceTimersByTime(250);
  FakeSocket.newest.greets();
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  events = [];
});
afterEach(() => vi.useRealTimers());

test("it asks for the newest values, and for a place to come back to", () => {
  const subscription = subscribe({ devices: ["d1"], metrics: ["temperature"], rate_hz: 2 });
  FakeSocket.newest.greets();
  const plain = { type: "subscribe", id: 1, devices: ["d1"], metrics: ["temperature"], rate_hz: 2 };
  expect(asked()).toEqual([plain, { ...plain, since: "now" }]);
  FakeSocket.newest.says({ type: "snapshot", id: 1, readings: [reading("d1", 1)] });
  expect(subscription.cursor).toBeNull();
  FakeSocket.newest.says(caughtUp("c1"));
  expect(subscription.cursor).toBe("c1");
  expect(of("snapshot")).toHaveLength(1);
  expect(of("caught_up")).toHaveLength(0);
});

test("it comes back with the place of the last thing it heard", () => {
  subscribe();
  FakeSocket.newest.settles("c1");
  FakeSocket.newest.says(readings("c2", reading("d1", 1)));
  comeBack();
  expect(asked()).toEqual([{ type: "subscribe", id: 1, devices: "*", since: "c2" }]);
  FakeSocket.newest.says(history(reading("d1", 2)), caughtUp("c3"), { type: "heartbeat", cursor: "c4" });
  expect(of("readings").map((event) => event.replayed)).toEqual([false, true]);
  expect(of("caught_up")).toHaveLength(1);
  comeBack();
  expect(since()).toBe("c4");
});

test("cut off before it was given a place, it asks from when it began to listen", () => {
  subscribe();
  FakeSocket.newest.greets();
  FakeSocket.newest.says({ type: "subscribed", id: 1, devices: 1, unknown: [] }, { type: "snapshot", id: 1, readings: [] });
  vi.advanceTimersByTime(2_000);
  comeBack();
  expect(asked()).toEqual([{ type: "subscribe", id: 1, devices: "*", since: "-3s" }]);
  FakeSocket.newest.says(history(reading("d1", 1)), caughtUp("c1"));
  expect(told()).toEqual([reading("d1", 1)]);
  comeBack();
  expect(since()).toBe("c1");
});

test("cut off in the middle of the history, it asks from where it asked before", () => {
  subscribe();
  FakeSocket.newest.settles("c1");
  comeBack();
  FakeSocket.newest.says(history(reading("d1", 1)), readings("c9", reading("d1", 2)));
  comeBack();
  expect(since()).toBe("c1");
  FakeSocket.newest.says(history(reading("d1", 1), reading("d1", 2), reading("d1", 3)), caughtUp("c9"));
  expect(told()).toEqual([reading("d1", 1), reading("d1", 2), reading("d1", 3)]);
});

test("what the store repeats is told once; what is new of a reading is told", () => {
  subscribe();
  FakeSocket.newest.settles("c1");
  FakeSocket.newest.says(readings("c2", reading("d1", 1, { a: 1 }), reading("d2", 1, { a: 1 })));
  comeBack();
  FakeSocket.newest.says(history(reading("d1", 1, { a: 1, b: 2 }), reading("d2", 1, { a: 1 })), caughtUp("c3"));
  expect(told()).toEqual([reading("d1", 1, { a: 1 }), reading("d2", 1, { a: 1 }), reading("d1", 1, { b: 2 })]);
});

test("of one moment that a device told twice the last value wins", () => {
  subscribe();
  FakeSocket.newest.settles("c1");
  FakeSocket.newest.says(readings("c2", reading("d1", 1, { a: 1 })), readings("c3", reading("d1", 1, { a: 2 })));
  comeBack();
  FakeSocket.newest.says(history(reading("d1", 1, { a: 2 })), caughtUp("c4"));
  expect(told().map((one) => one.values)).toEqual([{ a: 1 }, { a: 2 }]);
});

test("a gap is told, and filled from before it once the server has had a moment", () => {
  const subscription = subscribe();
  FakeSocket.newest.settles("c1");
  FakeSocket.newest.says(gap("c2", "slow_client"), readings("c5", reading("d1", 5)));
  expect(of("gap")).toMatchObject([{ reason: "slow_client", refilling: true }]);
  expect(subscription.cursor).toBe("c2");
  vi.advanceTimersByTime(1_000);
  expect(since()).toBe("c2");
  FakeSocket.newest.says(history(reading("d1", 4), reading("d1", 5)), caughtUp("c6"));
  expect(told()).toEqual([reading("d1", 5), reading("d1", 4)]);
  expect(of("refilled")).toHaveLength(1);
  expect(subscription.cursor).toBe("c6");
});

test("gap upon gap does not put off the filling of the first", () => {
  subscribe();
  FakeSocket.newest.settles("c1");
  for (let i = 0; i < 10; i += 1) {
    FakeSocket.newest.says(gap("c2", "slow_client"));
    vi.advanceTimersByTime(99);
  }
  vi.advanceTimersByTime(10);
  expect(since()).toBe("c2");
});

test("who is cut off with a gap open comes back to before it", () => {
  subscribe();
  FakeSocket.newest.settles("c1");
  FakeSocket.newest.says(gap("c2", "feed"), readings("c5", reading("d1", 5)));
  comeBack();
  expect(since()).toBe("c2");
  FakeSocket.newest.says(history(), caughtUp("c6"));
  expect(of("refilled")).toHaveLength(1);
});

test("what is not stored yet is asked for again after five seconds, doubling, and told once", () => {
  subscribe();
  FakeSocket.newest.settles("c1");
  comeBack();
  for (const waitMs of [5_000, 10_000, 20_000]) {
    FakeSocket.newest.says(gap("c1", "not_stored_yet"), history(), caughtUp("c9"), { type: "heartbeat", cursor: "c9" });
    const before = asked().length;
    vi.advanceTimersByTime(waitMs - 1);
    expect(asked()).toHaveLength(before);
    vi.advanceTimersByTime(1);
    expect(asked()).toHaveLength(before + 1);
    expect(since()).toBe("c1");
  }
  FakeSocket.newest.says(history(reading("d1", 1)), caughtUp("c10"));
  expect(of("gap")).toHaveLength(1);
  expect(of("refilled")).toHaveLength(1);
  expect(told()).toEqual([reading("d1", 1)]);
});

test("who wants no refill hears of the gap, and goes on", () => {
  const subscription = subscribe({ refill: false });
  FakeSocket.newest.settles("c1");
  FakeSocket.newest.says(gap("c2", "slow_client"), readings("c5", reading("d1", 5)));
  vi.advanceTimersByTime(20_000);
  expect(of("gap")).toMatchObject([{ refilling: false }]);
  expect(asked().filter((message) => message["since"] === "c2")).toHaveLength(0);
  expect(subscription.cursor).toBe("c5");
});

test("who wants only some gaps filled is told of the others", () => {
  subscribe({ refill: ["feed"] });
  FakeSocket.newest.settles("c1");
  FakeSocket.newest.says(gap("c2", "slow_client"), gap("c3", "feed"));
  expect(of("gap").map((event) => event.refilling)).toEqual([false, true]);
  vi.advanceTimersByTime(1_000);
  expect(since()).toBe("c3");
});

test("the question for a place says nothing of gaps before it", () => {
  subscribe();
  FakeSocket.newest.greets();
  FakeSocket.newest.says(error("history_unavailable"), gap("now", "not_stored_yet"), caughtUp("c1"));
  expect(of("gap")).toHaveLength(0);
  vi.advanceTimersByTime(30_000);
  expect(asked()).toHaveLength(2);
});

test("more than the server replays is a gap that HTTP has to fill", () => {
  const subscription = subscribe();
  FakeSocket.newest.settles("c1");
  comeBack();
  FakeSocket.newest.says(error("too_much_history"), caughtUp("c9"));
  expect(of("gap")).toMatchObject([{ reason: "too_much_history", refilling: false }]);
  expect(subscription.cursor).toBe("c9");
});

test("a server that does not know the place any more is begun with anew, and that is told", () => {
  subscribe();
  FakeSocket.newest.settles("c1");
  comeBack();
  FakeSocket.newest.says(error("bad_since", "since: this server reads cursors of version 2"));
  expect(of("gap")).toMatchObject([{ reason: "cursor_refused", refilling: false }]);
  expect(asked().slice(1).map((message) => message["since"])).toEqual([undefined, "now"]);
});

test("a since of one's own that is none ends it with the server's words", () => {
  subscribe({ since: "yesterday" });
  FakeSocket.newest.greets();
  FakeSocket.newest.says(error("bad_since", "since: neither a cursor nor a time"));
  expect(of("ended")).toMatchObject([{ error: { code: "bad_since", message: "since: neither a cursor nor a time" } }]);
});

test("a since of one's own brings history in place of newest values", () => {
  const subscription = subscribe({ since: "-10m" });
  FakeSocket.newest.greets();
  expect(asked()).toEqual([{ type: "subscribe", id: 1, devices: "*", since: "-10m" }]);
  expect(subscription.cursor).toBeNull();
  FakeSocket.newest.says(history(reading("d1", 1)), caughtUp("c1"));
  expect(told()).toEqual([reading("d1", 1)]);
  comeBack();
  expect(since()).toBe("c1");
});

test("who asks too often asks again when the server says", () => {
  subscribe();
  FakeSocket.newest.settles("c1");
  comeBack();
  FakeSocket.newest.says(error("rate_limited", "240 subscribes a minute: try again in 3 s"));
  expect(asked()).toHaveLength(1);
  vi.advanceTimersByTime(3_000);
  expect(asked()).toHaveLength(2);
  expect(since()).toBe("c1");
});

test("whoever pauses misses nothing", () => {
  const subscription = subscribe();
  FakeSocket.newest.settles("c1");
  subscription.pause();
  vi.advanceTimersByTime(600_000);
  expect(FakeSocket.all).toHaveLength(1);
  subscription.retryNow();
  FakeSocket.newest.greets();
  expect(since()).toBe("c1");
});

test("an aborted signal ends it, and leaves nothing running", () => {
  const stop = new AbortController();
  subscribe({ signal: stop.signal });
  FakeSocket.newest.settles("c1");
  FakeSocket.newest.says(gap("c1", "feed"));
  stop.abort();
  expect(of("ended")).toEqual([{ type: "ended", error: null }]);
  expect(FakeSocket.newest.closed).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test("a handler that fails is told as an error of nobody's, and it comes back all the same", () => {
  const failures: (() => void)[] = [];
  vi.stubGlobal("queueMicrotask", (work: () => void) => failures.push(work));
  const fail = (): never => {
    throw new Error("a mistake");
  };
  new Subscription(way, {}, { state: fail, readings: fail });
  FakeSocket.newest.settles("c1");
  FakeSocket.newest.says(readings("c2", reading("d1", 1)));
  comeBack();
  vi.unstubAllGlobals();
  expect(since()).toBe("c2");
  expect(failures.at(-1)).toThrow("a mistake");
});
