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
    message: string,
    readonly details: FieldError[],
  ) {
    super(message);
  }
}

/** Nothing usable came back: the server is away, or something between us and it. */
export class Unreachable extends Error {}

const TIMEOUT_MS = 10_000;
let accessToken: () => string | null = () => null;

/** Where every request finds its access token; null while there is no need of one. */
export function authorizeBy(token: () => string | null): void {
  accessToken = token;
}

let clockOffsetMs = 0;

/** The server's idea of now: ages must not depend on how this machine's clock is set. */
export function serverNow(): number {
  return Date.now() + clockOffsetMs;
}

export async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(path, { ...init, signal, headers: { Accept: "application/json", ...authorization(), ...init.headers } });
    body = response.status === 204 ? null : await response.json();
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Unreachable("The server does not answer.", { cause: error });
  }
  learnClock(response);
  if (response.ok) return body as T;
  if (response.status >= 500) throw new Unreachable(`The server answers ${response.status}.`);
  throw refusal(response.status, body);
}

function authorization(): Record<string, string> {
  const token = accessToken();
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

export function post<T>(path: string, body: unknown): Promise<T> {
  return request<T>(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

function refusal(status: number, body: unknown): Refused {
  const seen = (typeof body === "object" && body !== null ? body : {}) as {
    message?: string;
    error?: string;
    details?: FieldError[];
  };
  return new Refused(status, seen.message ?? seen.error ?? `The server answers ${status}.`, seen.details ?? []);
}

/** `Date` has whole seconds: a smaller difference says nothing. */
function learnClock(response: Response): void {
  const theirs = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(theirs)) return;
  const offset = theirs + 500 - Date.now();
  clockOffsetMs = Math.abs(offset) < 2_000 ? 0 : offset;
}
