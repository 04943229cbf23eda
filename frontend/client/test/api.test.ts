// Requests against a fetch that answers as it is told.
import { expect, test, vi } from "vitest";
import { Api, addressOf } from "../src/api.js";
import type { ApiOptions } from "../src/api.js";
import { Refused, Unreachable } from "../src/errors.js";

type Answers = (Response | Error)[];

function api(answers: Answers, options: ApiOptions = {}) {
  const asked: { url: string; init: RequestInit }[] = [];
  const fetch = vi.fn((url: string, init: RequestInit) => {
    asked.push({ url, init });
    const answer = answers.shift();
    return answer instanceof Response ? Promise.resolve(answer) : Promise.reject(answer ?? new Error("asked too often"));
  });
  return { api: new Api({ fetch: fetch as unknown as typeof globalThis.fetch, ...options }), asked };
}

const headers = (init: RequestInit | undefined) => init?.headers as Record<string, string>;
const no = (status: number, code: string, more: Record<string, unknown> = {}) =>
  Response.json({ error: "No", message: "No", status, code, details: [], request_id: "r-1", ...more }, { status });

test("path, query and body go where they belong", async () => {
  const { api: client, asked } = api([Response.json({ data: [], cursor: null }), Response.json({}, { status: 201 })], {
    url: "http://localhost:5000",
  });
  await client.get("/api/v1/devices/{device_id}/readings", {
    path: { device_id: "a/b c" },
    query: { start: "-15m", limit: 10, end: undefined },
  });
  await client.post("/api/v1/devices", { body: { device_id: "d1", name: "One" } });
  expect(asked.map(({ url }) => url)).toEqual([
    "http://localhost:5000/api/v1/devices/a%2Fb%20c/readings?start=-15m&limit=10",
    "http://localhost:5000/api/v1/devices",
  ]);
  expect(asked[0]?.init.method).toBe("GET");
  expect(asked[0]?.init.body).toBeUndefined();
  expect(asked[1]?.init.body).toBe('{"device_id":"d1","name":"One"}');
  expect(headers(asked[1]?.init)["Content-Type"]).toBe("application/json");
});

test("what is not given is not in the address", () => {
  expect(addressOf("/api/v1/devices", {})).toBe("/api/v1/devices");
  expect(addressOf("/api/v1/devices", { query: { q: undefined, claimed: false } })).toBe("/api/v1/devices?claimed=false");
});

test("JSON is a value, nothing is undefined, a file is the response", async () => {
  const file = new Response("a,b\n", { headers: { "Content-Type": "text/csv" } });
  const { api: client } = api([Response.json([{ id: 1 }]), new Response(null, { status: 204, headers: { "Content-Type": "text/html; charset=utf-8" } }), file]);
  expect(await client.get("/api/devices")).toEqual([{ id: 1 }]);
  expect(await client.delete("/api/v1/items/{item_id}", { path: { item_id: 1 } })).toBeUndefined();
  expect(await (await client.get("/api/v1/devices/bulk")).text()).toBe("a,b\n");
});

test("a file is sent as what it is", async () => {
  const { api: client, asked } = api([Response.json({})]);
  await client.post("/api/v1/devices/bulk", { body: { contentType: "text/csv", content: "device_id,name\n" } });
  expect(headers(asked[0]?.init)["Content-Type"]).toBe("text/csv");
  expect(asked[0]?.init.body).toBe("device_id,name\n");
});

test("a no of the API has its status, its code and each wrong field", async () => {
  const details = [{ field: "name", code: "required", message: "Name is required" }];
  const { api: client } = api([no(400, "validation_failed", { details })]);
  const error: unknown = await client.get("/api/v1/devices").catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(Refused);
  expect(error).toMatchObject({ status: 400, code: "validation_failed", message: "No", details, requestId: "r-1" });
});

test("what is away may come back: no answer, none that can be read, or one that says so", async () => {
  const away = no(503, "store_unavailable");
  away.headers.set("Retry-After", "7");
  const page = new Response("<html>", { status: 502, headers: { "Content-Type": "text/html" } });
  const cut = new Response('{"a":', { headers: { "Content-Type": "application/json" } });
  const { api: client } = api([new TypeError("fetch failed"), page, cut, away]);
  const errors: unknown[] = [];
  for (let i = 0; i < 4; i += 1) errors.push(await client.get("/api/devices").catch((caught: unknown) => caught));
  expect(errors.every((error) => error instanceof Unreachable)).toBe(true);
  expect(errors[3]).toMatchObject({ code: "store_unavailable", retryAfterMs: 7000 });
});

test("a page in place of an answer is no answer", async () => {
  const login = new Response("<html>", { headers: { "Content-Type": "text/html; charset=utf-8" } });
  const { api: client } = api([login]);
  await expect(client.get("/api/devices")).rejects.toBeInstanceOf(Unreachable);
});

test("a silent server is given up, an upload is not", async () => {
  vi.useFakeTimers();
  const fetch = (_url: unknown, init?: RequestInit) =>
    new Promise<Response>((_resolve, reject) => {
      init?.signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    });
  const client = new Api({ fetch });
  const asking = expect(client.get("/api/devices")).rejects.toBeInstanceOf(Unreachable);
  let patient = true;
  const waiting = client.get("/api/devices", { timeoutMs: 30_000 }).catch(() => (patient = false));
  const stop = new AbortController();
  const body = { contentType: "text/csv", content: "" } as const;
  const sending = expect(client.post("/api/v1/devices/bulk", { body, signal: stop.signal })).rejects.toBeInstanceOf(
    DOMException,
  );
  await vi.advanceTimersByTimeAsync(10_000);
  await asking;
  expect(patient).toBe(true);
  await vi.advanceTimersByTimeAsync(20_000);
  await waiting;
  expect(patient).toBe(false);
  stop.abort();
  await sending;
  vi.useRealTimers();
});

test("a token that has run out is renewed once, for all who wait", async () => {
  let token = "old";
  const refresh = vi.fn(async () => {
    await Promise.resolve();
    token = "new";
  });
  const answers = [no(401, "invalid_token"), no(401, "invalid_token"), Response.json([]), Response.json([])];
  const { api: client, asked } = api(answers, { token: () => Promise.resolve(token), refresh });
  await Promise.all([client.get("/api/devices"), client.get("/api/devices")]);
  expect(refresh).toHaveBeenCalledTimes(1);
  expect(asked.map(({ init }) => headers(init)["Authorization"])).toEqual([
    "Bearer old",
    "Bearer old",
    "Bearer new",
    "Bearer new",
  ]);
});

test("who is logged out meanwhile does not ask again as nobody", async () => {
  let token: string | null = "old";
  const refresh = vi.fn((_refused: string | null) => Promise.resolve((token = null)));
  const { api: client, asked } = api([no(401, "session_ended")], { token: () => token, refresh });
  await expect(client.get("/api/devices")).rejects.toMatchObject({ code: "session_ended" });
  expect(refresh).toHaveBeenCalledWith("old");
  expect(asked).toHaveLength(1);
});

test("a second 401, and a refresh that is refused, are the caller's to know", async () => {
  const refused = api([no(401, "session_ended")], {
    token: () => "old",
    refresh: () => Promise.reject(new Refused(401, "invalid_token", "No")),
  });
  await expect(refused.api.get("/api/devices")).rejects.toMatchObject({ code: "session_ended" });
  let token = 0;
  const again = api([no(401, "invalid_token"), no(401, "unauthenticated")], {
    token: () => String(token),
    refresh: () => Promise.resolve((token += 1)),
  });
  await expect(again.api.get("/api/devices")).rejects.toMatchObject({ code: "unauthenticated" });
  expect(again.asked).toHaveLength(2);
});
