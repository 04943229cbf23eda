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
export async function request<T>(path: string, init: RequestInit = {}, timeoutMs = TIMEOUT_MS): Promise<T> {
  const token = await bearer.token();
  try {
    return await ask<T>(path, init, token, timeoutMs);
  } catch (error) {
    if (token === null || !(error instanceof Refused) || error.status !== 401) throw error;
    const next = await bearer.renewed(token);
    if (next === null) throw error;
    return ask<T>(path, init, next, timeoutMs);
  }
}

/** As `token`, or as nobody. */
export async function ask<T>(path: string, init: RequestInit, token: string | null, timeoutMs = TIMEOUT_MS): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  const headers = { Accept: "application/json", ...(token === null ? {} : { Authorization: `Bearer ${token}` }), ...init.headers };
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(path, { ...init, signal, headers });
    body = response.status === 204 ? null : await response.json();
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Unreachable("The server does not answer.", { cause: error });
  }
  learnClock(response);
  if (response.ok) return body as T;
  if (response.status >= 500) throw new Unreachable(refusal(response.status, body).message);
  throw refusal(response.status, body);
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

/** What is no JSON: bytes as they are, which a link could not ask for where a login is needed. */
export async function download(path: string): Promise<Blob> {
  const token = await bearer.token();
  let response: Response;
  try {
    response = await fetch(path, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: token === null ? {} : { Authorization: `Bearer ${token}` },
    });
    if (response.ok) return await response.blob();
  } catch (error) {
    throw new Unreachable("The server does not answer.", { cause: error });
  }
  throw response.status >= 500 ? new Unreachable(`The server answers ${response.status}.`) : refusal(response.status, null);
}

function refusal(status: number, body: unknown): Refused {
  const seen = (typeof body === "object" && body !== null ? body : {}) as {
    message?: string;
    error?: string;
    code?: string;
    details?: FieldError[];
  };
  const message = seen.message ?? seen.error ?? `The server answers ${status}.`;
  return new Refused(status, seen.code ?? "", message, seen.details ?? []);
}

/** `Date` has whole seconds: a smaller difference says nothing. */
function learnClock(response: Response): void {
  const theirs = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(theirs)) return;
  const offset = theirs + 500 - Date.now();
  clockOffsetMs = Math.abs(offset) < 2_000 ? 0 : offset;
}
