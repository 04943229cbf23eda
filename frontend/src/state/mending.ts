// Letters that were driven again or discarded, watched until nothing moves any more: what is gone, and what stays.
import { command, listLetters } from "../api/letters";
import type { Action, Choice, Letter } from "../api/letters";

const LOOK_EVERY_MS = 400;
/** The API shows what ingest did about a second later: where nothing changes for so long, nothing more is to come. */
const SETTLED_MS = 4_000;
const PATIENCE_MS = 120_000;
/** A page of the API at most: what is beyond it is counted, not looked at one by one. */
const LOOKED_AT = 1_000;

export interface Outcome {
  action: Action;
  commanded: number;
  /** Not there any more: taken, or given up. */
  gone: number;
}

export type Chosen = { ids: number[]; device_id: string } | Choice;

/** Calls `tell` as it goes on, and once more at the end; raises what the API says up to the command, and nothing that comes after it. */
export async function mend(action: Action, chosen: Chosen, tell: (outcome: Outcome) => void): Promise<Outcome> {
  const where: Choice = "ids" in chosen ? { q: "", code: "", device_id: chosen.device_id } : chosen;
  const before = await listLetters(where, 1, LOOKED_AT);
  const wanted = new Set("ids" in chosen ? chosen.ids : before.data.map((letter) => letter.id));
  const commanded = await command(action, "ids" in chosen ? { ids: chosen.ids } : chosen);
  let outcome: Outcome = { action, commanded, gone: 0 };
  let changedAt = Date.now();
  const deadline = changedAt + PATIENCE_MS;
  while (outcome.gone < commanded && Date.now() < Math.min(deadline, changedAt + SETTLED_MS)) {
    tell(outcome);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    const now = await listLetters(where, 1, LOOKED_AT).catch(() => null);
    if (now === null) {
      changedAt = Date.now(); // until the server is back, nobody knows whether anything moves
      continue;
    }
    const gone = goneOf(wanted, before.total, now, commanded);
    if (gone !== outcome.gone) changedAt = Date.now();
    outcome = { ...outcome, gone };
  }
  tell(outcome);
  return outcome;
}

/** By their ids where all of them can be seen; otherwise by how much shorter the list has become. */
export function goneOf(wanted: ReadonlySet<number>, totalBefore: number, now: { data: readonly Pick<Letter, "id">[]; total: number }, commanded: number): number {
  const allSeen = commanded <= wanted.size && now.total <= Math.max(LOOKED_AT, now.data.length);
  const left = allSeen ? wanted.size - now.data.filter(({ id }) => wanted.has(id)).length : totalBefore - now.total;
  return Math.min(commanded, Math.max(0, left));
}
