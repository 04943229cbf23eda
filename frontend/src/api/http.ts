// The way to the API: the typed client, as whoever is logged in, and the server's idea of now.
import { Api, Refused, Unreachable } from "@telemetrio/client";

export { Refused, Unreachable } from "@telemetrio/client";
export type { Answer, FieldError, Question, routes } from "@telemetrio/client";

/** Who asks. Null while nobody is logged in, or nobody needs to be. */
export interface Bearer {
  token(): Promise<string | null>;
  /** Another one in place of a token that the API refused; null if there is none any more. */
  renewed(refused: string | null): Promise<string | null>;
}

/** For questions that read much: the server lets them wait for 10 s, and gives the store 30. */
export const PATIENT_MS = 45_000;
/** `Date` has whole seconds: a smaller difference says nothing. */
const CLOCK_MOVED_MS = 2_000;
const TOO_OFTEN = 429;
let bearer: Bearer = { token: async () => null, renewed: async () => null };
let clockOffsetMs = 0;

/** As whoever is logged in; a token whose time is over is replaced, and the question asked once more. */
export const api = new Api({ token: () => bearer.token(), refresh: (refused) => bearer.renewed(refused), onAnswer: learnClock });

/** As nobody: what is asked on the way in. */
export const anonymous = new Api({ onAnswer: learnClock });

/** Where every request finds its access token. */
export function authorizeBy(who: Bearer): void {
  bearer = who;
}

/** The server's idea of now: ages must not depend on how this machine's clock is set. */
export function serverNow(): number {
  return Date.now() + clockOffsetMs;
}

/** Of a list that comes bare or in pages what comes to whoever asks for no page. */
export function bare<T>(answer: T): Extract<T, readonly unknown[]> {
  return answer as Extract<T, readonly unknown[]>;
}

/** A file of any size: a link could not ask for it where a login is needed. Whoever waits may abort it. */
export async function download(asked: Promise<Response>, signal?: AbortSignal): Promise<Blob> {
  const answer = await asked;
  try {
    return await answer.blob();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable("The download broke off: nothing was saved. Try again.", { cause: error });
  }
}

/** How long to wait before the same is asked again: `usualMs`, or what the server says; null where it said no for good. */
export function comeBackMs(error: unknown, usualMs: number): number | null {
  if (error instanceof Unreachable) return error.retryAfterMs ?? usualMs;
  if (!(error instanceof Refused)) return usualMs;
  return error.status === TOO_OFTEN ? (error.retryAfterMs ?? usualMs) : null;
}

function learnClock(response: Response): void {
  const theirs = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(theirs)) return;
  const offset = theirs + 500 - Date.now();
  if (Math.abs(offset - clockOffsetMs) >= CLOCK_MOVED_MS) clockOffsetMs = offset;
}
