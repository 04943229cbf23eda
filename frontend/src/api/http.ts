// One request to the API: JSON in, JSON out, and every failure as one of two errors.

export interface FieldError {
  field: string;
  code: string;
  message: string;
}

/** The API answered, and said no. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: FieldError[],
    /** When the server wants to be asked again, where it said so. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }
}

/** Nothing usable came back: the server is away, or something between us and it. */
export class Unreachable extends Error {}

/** Who asks. Null while nobody is logged in, or nobody needs to be. */
export interface Bearer {
  token(): Promise<string | null>;
  /** Another one in place of a token that the API refused; null if there is none any more. */
  renewed(refused: string): Promise<string | null>;
}

const TIMEOUT_MS = 10_000;
/** For questions that read much: the server lets them wait for 10 s, and gives the store 30. */
export const PATIENT_MS = 45_000;
/** `Date` has whole seconds: a smaller difference says nothing. */
const CLOCK_MOVED_MS = 2_000;
const TOO_OFTEN = 429;
let bearer: Bearer = { token: async () => null, renewed: async () => null };
let clockOffsetMs = 0;

/** Where every request finds its access token. */
export function authorizeBy(who: Bearer): void {
  bearer = who;
}

/** The server's idea of now: ages must not depend on how this machine's clock is set. */
export function serverNow(): number {
  return Date.now() + clockOffsetMs;
}

/** As whoever is logged in; a token whose time is over is replaced, and the question asked once more. */
export function request<T>(path: string, init: RequestInit = {}, timeoutMs = TIMEOUT_MS): Promise<T> {
  return authorized((token) => ask<T>(path, init, token, timeoutMs));
}

async function authorized<T>(attempt: (token: string | null) => Promise<T>): Promise<T> {
  const token = await bearer.token();
  try {
    return await attempt(token);
  } catch (error) {
    if (token === null || !(error instanceof Refused) || error.status !== 401) throw error;
    const next = await bearer.renewed(token);
    if (next === null) throw error;
    return attempt(next);
  }
}

function authorization(token: string | null): Record<string, string> {
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

/** As `token`, or as nobody. */
export async function ask<T>(path: string, init: RequestInit, token: string | null, timeoutMs = TIMEOUT_MS): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  const headers = { Accept: "application/json", ...authorization(token), ...init.headers };
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(path, { ...init, signal, headers });
    learnClock(response); // now: the rest of a long answer may take its time
    body = response.status === 204 ? null : await response.json();
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Unreachable("The server does not answer.", { cause: error });
  }
  if (response.ok) return body as T;
  const refused = refusal(response, body);
  throw response.status >= 500 ? new Unreachable(refused.message) : refused;
}

/** What makes a request of a body. */
export function json(method: string, body: unknown): RequestInit {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

export function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  return request<T>(path, body === undefined ? { method } : json(method, body));
}

export function post<T>(path: string, body: unknown): Promise<T> {
  return send("POST", path, body);
}

/** A file of any size: a link could not ask for it where a login is needed. Whoever waits may abort it. */
export function download(path: string, signal?: AbortSignal): Promise<Blob> {
  return authorized((token) => fetched(path, token, signal));
}

async function fetched(path: string, token: string | null, signal: AbortSignal | undefined): Promise<Blob> {
  let response: Response;
  try {
    response = await fetch(path, { headers: authorization(token), ...(signal ? { signal } : {}) });
    if (response.ok) return await response.blob();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable("The download broke off: nothing was saved. Try again.", { cause: error });
  }
  throw refusal(response, await response.json().catch(() => null));
}

/** How long to wait before the same is asked again: `usualMs`, or what the server says; null where it said no for good. */
export function comeBackMs(error: unknown, usualMs: number): number | null {
  if (!(error instanceof Refused)) return usualMs;
  return error.status === TOO_OFTEN ? (error.retryAfterMs ?? usualMs) : null;
}

function refusal({ status, headers }: Response, body: unknown): Refused {
  const seen = (typeof body === "object" && body !== null ? body : {}) as {
    message?: string;
    error?: string;
    code?: string;
    details?: FieldError[];
  };
  const message = seen.message ?? seen.error ?? `The server answers ${status}.`;
  const seconds = Number(headers.get("Retry-After") ?? Number.NaN);
  return new Refused(status, seen.code ?? "", message, seen.details ?? [], Number.isNaN(seconds) ? null : seconds * 1000);
}

function learnClock(response: Response): void {
  const theirs = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(theirs)) return;
  const offset = theirs + 500 - Date.now();
  if (Math.abs(offset - clockOffsetMs) >= CLOCK_MOVED_MS) clockOffsetMs = offset;
}
