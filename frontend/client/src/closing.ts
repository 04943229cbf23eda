// What the code with which a server closes asks of its client; docs/protocol.md has the table.
import { LiveError } from "./errors.js";

export type Verdict =
  /** Come back: after the usual backoff, or after this time. */
  | { retry: true; afterMs: number | null; login: boolean }
  | { retry: false; error: LiveError };

/** The user has too many connections: one of them must end first. */
const CROWDED_MS = 15_000;

const FOR_GOOD: Record<number, string> = {
  1009: "A message was too large: name fewer devices.",
  4400: "The server did not understand this client.",
  4403: "The login does not open this.",
};

export function verdictOn(code: number, reason: string, random: () => number = Math.random): Verdict {
  const sentence = FOR_GOOD[code];
  if (sentence !== undefined) return { retry: false, error: new LiveError(code, reason || sentence) };
  const login = code === 4401 || code === 4408;
  if (code === 1013) return { retry: true, afterMs: askedFor(reason), login };
  if (code === 4429) return { retry: true, afterMs: CROWDED_MS * (1 + random()), login };
  return { retry: true, afterMs: null, login };
}

/** "overloaded: come back in 2.7 s" is the time that this client was given, different from everybody else's. */
export function askedFor(text: string): number | null {
  const seconds = /(\d+(?:\.\d+)?) s\b/.exec(text)?.[1];
  return seconds === undefined ? null : Number(seconds) * 1000;
}
