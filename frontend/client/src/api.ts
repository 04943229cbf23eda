// The HTTP API: every route typed from its description, every failure one of two errors.
import { Refused, Unreachable } from "./errors.js";
import type { FieldError } from "./errors.js";
import type { Routes } from "./generated/routes.js";
import { isUpload } from "./upload.js";

export type Route = keyof Routes;
export type Method = Route extends `${infer Name} ${string}` ? Name : never;
/** The paths that a method knows. */
export type PathOf<M extends Method> = { [R in Route]: R extends `${M} ${infer P}` ? P : never }[Route];
export type Answer<R extends Route> = Routes[R]["answer"];
/** What a route is asked with: `path`, `query`, `body` as far as it has them. */
export type Question<R extends Route> = Omit<Routes[R], "answer"> & {
  signal?: AbortSignal;
  /** In place of the client's own. */
  timeoutMs?: number;
};
type Asked<R extends Route> = object extends Question<R> ? [question?: Question<R>] : [question: Question<R>];
type At<M extends Method, P extends string> = `${M} ${P}` & Route;

export interface ApiOptions {
  /** Like `http://localhost:5000`; empty: where the page comes from. */
  url?: string;
  /** The access token or API key of now; null: ask without. */
  token?: () => string | null | Promise<string | null>;
  /** After a 401: get another token, which `token` then tells. Runs once, however many requests wait for it. */
  refresh?: (refused: string | null) => Promise<unknown>;
  timeoutMs?: number;
  fetch?: typeof fetch;
  /** Sees every answer before it is read. */
  onAnswer?: (response: Response) => void;
}

const TIMEOUT_MS = 10_000;
/** Later the same request may work. 501 is no such answer. */
const AWAY = new Set([500, 502, 503, 504]);

interface Parts {
  path?: Record<string, string | number>;
  query?: Record<string, unknown>;
  body?: unknown;
  signal?: AbortSignal;
  timeoutMs?: number;
}

export class Api {
  private refreshing: Promise<unknown> | null = null;

  constructor(private readonly options: ApiOptions = {}) {}

  get = this.method("GET");
  post = this.method("POST");
  put = this.method("PUT");
  patch = this.method("PATCH");
  delete = this.method("DELETE");

  /** JSON as a value, nothing as undefined; whatever else comes, a file for instance, is the `Response` itself. */
  async request<R extends Route>(route: R, ...[question]: Asked<R>): Promise<Answer<R>> {
    const parts: Parts = question ?? {};
    const [method = "", path = ""] = route.split(" ");
    const url = `${this.options.url ?? ""}${addressOf(path, parts)}`;
    const token = await this.token();
    try {
      return (await this.send(method, url, parts, token)) as Answer<R>;
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401 || this.options.refresh === undefined) throw error;
      if (!(await this.renewed(token))) throw error;
      return (await this.send(method, url, parts, await this.token())) as Answer<R>;
    }
  }

  /** The token of now, for what can't send headers itself. */
  async token(): Promise<string | null> {
    return (await this.options.token?.()) ?? null;
  }

  private method<M extends Method>(method: M) {
    return <P extends PathOf<M>>(path: P, ...asked: Asked<At<M, P>>): Promise<Answer<At<M, P>>> =>
      this.request(`${method} ${path}` as At<M, P>, ...asked);
  }

  /** Whether there is a token, and another than the one that was refused: somebody else may have got it meanwhile. */
  private async renewed(refused: string | null): Promise<boolean> {
    if ((await this.token()) === refused) {
      this.refreshing ??= this.options.refresh?.(refused).finally(() => (this.refreshing = null)) ?? null;
      try {
        await this.refreshing;
      } catch (error) {
        if (error instanceof Refused) return false; // the 401 says it better
        throw error;
      }
    }
    const next = await this.token();
    return next !== null && next !== refused;
  }

  private async send(method: string, url: string, parts: Parts, token: string | null): Promise<unknown> {
    const patience = new AbortController();
    const timer = isUpload(parts.body)
      ? undefined // a large file takes as long as it takes
      : setTimeout(() => patience.abort(), parts.timeoutMs ?? this.options.timeoutMs ?? TIMEOUT_MS);
    const signal = parts.signal ? AbortSignal.any([parts.signal, patience.signal]) : patience.signal;
    const { fetch = globalThis.fetch } = this.options;
    try {
      const response = await fetch(url, { method, signal, ...written(parts.body, token) });
      this.options.onAnswer?.(response);
      return await read(response);
    } catch (error) {
      if (error instanceof Refused || error instanceof Unreachable || parts.signal?.aborted) throw error;
      throw new Unreachable("The server does not answer.", { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The path with its parameters filled in, and the query without what was not given. */
export function addressOf(path: string, parts: Pick<Parts, "path" | "query">): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(parts.path?.[name])));
  const given = Object.entries(parts.query ?? {}).filter(([, value]) => value !== undefined && value !== null);
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return given.length === 0 ? filled : `${filled}?${query}`;
}

function written(body: unknown, token: string | null): RequestInit {
  const headers: Record<string, string> = { Accept: "application/json, */*;q=0.5" };
  if (token !== null) headers["Authorization"] = `Bearer ${token}`;
  if (body === undefined) return { headers };
  if (!isUpload(body)) {
    return { headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
  }
  const streamed = body.content instanceof ReadableStream ? { duplex: "half" } : {};
  return { headers: { ...headers, "Content-Type": body.contentType }, body: body.content, ...streamed };
}

async function read(response: Response): Promise<unknown> {
  const json = response.headers.get("Content-Type")?.startsWith("application/json") ?? false;
  if (response.status === 204) return undefined;
  if (response.ok && isPage(response)) throw new Unreachable("Something else answers in place of the server.");
  if (response.ok) return json ? await response.json() : response;
  const told = asError(json ? await response.json() : null);
  const message = told.message ?? told.error ?? `The server answers ${String(response.status)}.`;
  if (AWAY.has(response.status)) throw new Unreachable(message, {}, told.code ?? null, retryAfterMs(response));
  const { code = "", details = [], request_id = null } = told;
  throw new Refused(response.status, code, message, details, request_id, retryAfterMs(response));
}

/** No route answers with one: a hotel's login does, and a server of other files. */
function isPage(response: Response): boolean {
  return response.headers.get("Content-Type")?.startsWith("text/html") ?? false;
}

interface Told {
  message?: string;
  error?: string;
  code?: string;
  details?: FieldError[];
  request_id?: string;
}

function asError(body: unknown): Told {
  return typeof body === "object" && body !== null ? body : {};
}

/** `Retry-After` in seconds, as this server says it. */
function retryAfterMs(response: Response): number | null {
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return Number.isFinite(seconds) ? seconds * 1000 : null;
}
