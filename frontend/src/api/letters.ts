// Dead letters: list, count, read, drive again, give up.
import { download, post, request } from "./http";

export interface Letter {
  id: number;
  kind: "message" | "part" | "reading" | "shed";
  code: string;
  detail: string;
  device_id: string | null;
  topic: string;
  received_at: string;
  entries: number;
  payload_bytes: number;
  payload_text: string;
  sha256: string;
  paths: { path: string; code: string }[];
}

export interface CodeCount {
  code: string;
  letters: number;
  devices: number;
  newest_at: string;
}

/** What a list shows; the same words choose what is driven again or discarded. */
export interface Choice {
  q: string;
  code: string;
  device_id: string;
}

const PATH = "/api/v1/dead-letters";

export function listLetters(choice: Choice, page: number, perPage: number): Promise<{ data: Letter[]; total: number }> {
  const parameters = new URLSearchParams({ page: String(page), per_page: String(perPage) });
  for (const [name, value] of Object.entries(choice)) if (value !== "") parameters.set(name, value);
  return request(`${PATH}?${parameters}`);
}

export function countLetters(deviceId = ""): Promise<CodeCount[]> {
  return request(`${PATH}/codes${deviceId === "" ? "" : `?device_id=${encodeURIComponent(deviceId)}`}`);
}

export async function rawBytes(id: number): Promise<Uint8Array<ArrayBuffer>> {
  const saved = await download(`${PATH}/${id}/raw`);
  return new Uint8Array(await saved.arrayBuffer());
}

export type Action = "redrive" | "discard";

/** How many were handed over; at most 10,000 at once. */
export async function command(action: Action, chosen: { ids: number[] } | Choice): Promise<number> {
  const body = "ids" in chosen ? chosen : wanted(chosen);
  return (await post<{ commanded: number }>(`${PATH}/${action}`, body)).commanded;
}

function wanted({ q, code, device_id }: Choice): Record<string, unknown> {
  return {
    ...(q === "" ? {} : { q }),
    ...(code === "" ? {} : { code: [code] }),
    ...(device_id === "" ? {} : { device_id: [device_id] }),
  };
}
