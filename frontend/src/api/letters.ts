// Dead letters: list, count, read, drive again, give up.
import { api, download } from "./http";
import type { Answer, routes } from "./http";

export type Letter = routes.Letter;
export type CodeCount = routes.Code;

/** What a list shows; the same words choose what is driven again or discarded. */
export interface Choice {
  q: string;
  code: string;
  device_id: string;
}

export function listLetters({ q, code, device_id }: Choice, page: number, per_page: number): Promise<Answer<"GET /api/v1/dead-letters">> {
  const query = { page, per_page, q: q || undefined, code: code || undefined, device_id: device_id || undefined };
  return api.get("/api/v1/dead-letters", { query });
}

export function countLetters(deviceId = ""): Promise<CodeCount[]> {
  return api.get("/api/v1/dead-letters/codes", { query: { device_id: deviceId || undefined } });
}

export async function rawBytes(letter_id: number): Promise<Uint8Array<ArrayBuffer>> {
  const saved = await download(api.get("/api/v1/dead-letters/{letter_id}/raw", { path: { letter_id } }));
  return new Uint8Array(await saved.arrayBuffer());
}

export type Action = "redrive" | "discard";

/** How many were handed over; at most 10,000 at once. */
export async function command(action: Action, chosen: { ids: number[] } | Choice): Promise<number> {
  const body = "ids" in chosen ? chosen : wanted(chosen);
  return (await api.post(`/api/v1/dead-letters/${action}`, { body })).commanded;
}

function wanted({ q, code, device_id }: Choice) {
  return {
    q: q || undefined,
    code: code === "" ? undefined : [code],
    device_id: device_id === "" ? undefined : [device_id],
  };
}
