// Letters that were driven again or discarded, watched until ingest has done it: what is gone, what came back.
import { command, listLetters } from "../api/letters";
import type { Action, Choice, Letter } from "../api/letters";

const LOOK_EVERY_MS = 400;
const PATIENCE_MS = 30_000;
/** A page of the API at most: what is beyond it is counted, not looked at one by one. */
const LOOKED_AT = 1_000;

export interface Outcome {
  action: Action;
  commanded: number;
  /** Not there any more. */
  gone: number;
  /** Refused once more, by their new reasons. */
  again: { code: string; n: number }[];
  /** Handed over, and not yet carried out. */
  waiting: number;
}

export type Chosen = { ids: number[]; device_id: string } | Choice;

/** Calls `tell` as it goes on, and once more at the end; raises what the API says to the command itself. */
export async function mend(action: Action, chosen: Chosen, tell: (outcome: Outcome) => void): Promise<Outcome> {
  // by its device alone: what is refused again may have another reason then
  const where: Choice = { q: "", code: "", device_id: chosen.device_id };
  const before = await listLetters(where, 1, LOOKED_AT);
  const newest = Math.max(0, ...before.data.map((letter) => letter.id));
  const commanded = await command(action, "ids" in chosen ? { ids: chosen.ids } : chosen);
  let outcome: Outcome = { action, commanded, gone: 0, again: [], waiting: commanded };
  const deadline = Date.now() + PATIENCE_MS;
  while (outcome.waiting > 0 && Date.now() < deadline) {
    tell(outcome);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    outcome = { ...outcome, ...compare(before, await listLetters(where, 1, LOOKED_AT), newest, commanded) };
  }
  tell(outcome);
  return outcome;
}

type Seen = { data: readonly Pick<Letter, "id" | "code">[]; total: number };

/** From the list before and the list now. A letter that is refused again is a new one, with a higher id. */
export function compare(before: Seen, now: Seen, newest: number, commanded: number): Pick<Outcome, "gone" | "again" | "waiting"> {
  const codes = new Map<string, number>();
  for (const { id, code } of now.data) if (id > newest) codes.set(code, (codes.get(code) ?? 0) + 1);
  const again = [...codes].map(([code, n]) => ({ code, n })).sort((a, b) => b.n - a.n);
  const came = again.reduce((sum, { n }) => sum + n, 0);
  // what left is what is missing of the old ones; those that came anew fill the list up again
  const left = Math.min(commanded, Math.max(0, before.total - (now.total - came)));
  return { gone: Math.max(0, left - came), again, waiting: commanded - left };
}
