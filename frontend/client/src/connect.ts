// The way in: one server, its HTTP API, and as many live subscriptions as one likes.
import { Api } from "./api.js";
import type { ApiOptions } from "./api.js";
import type { Handlers } from "./events.js";
import type { Socket, Way } from "./line.js";
import { Stream } from "./stream.js";
import { Subscription } from "./subscription.js";
import type { SubscribeOptions } from "./subscription.js";

export interface ConnectOptions extends Omit<ApiOptions, "url"> {
  /** For each live connection; null: none is needed. Default: asked for with the token, if there is one. */
  ticket?: () => Promise<string | null>;
  /** Where `/ws` is, if not at the same address. */
  liveUrl?: string;
  /** For Node before 22, which has none of its own. */
  WebSocket?: new (url: string) => Socket;
}

/** Each subscription has a connection of its own: a slow reader holds up itself alone, and a gap is its own. */
export class Client {
  readonly api: Api;
  /** Undefined: only HTTP works here. */
  private readonly way: Way | undefined;
  private readonly open = new Set<Subscription>();
  private readonly stopWatching: () => void;

  constructor(url: string, options: ConnectOptions) {
    this.api = new Api({ ...options, url });
    const address = liveAddress(options.liveUrl ?? url);
    const WebSocket = options.WebSocket ?? (globalThis as Partial<typeof globalThis>).WebSocket;
    const ticket = options.ticket ?? (options.token === undefined ? undefined : () => this.ticket());
    this.way = WebSocket && { open: () => new WebSocket(address), ...(ticket === undefined ? {} : { ticket }) };
    const needsNetwork = !isHere(address);
    this.stopWatching = watchNetwork(
      () => this.each((one) => needsNetwork && one.networkLost()),
      () => this.each((one) => one.networkBack()),
    );
  }

  /** With handlers: they are called. Without: read it with `for await`. */
  subscribe(options?: SubscribeOptions): Stream;
  subscribe(options: SubscribeOptions, handlers: Handlers): Subscription;
  subscribe(options: SubscribeOptions = {}, handlers?: Handlers): Stream | Subscription {
    const { way } = this;
    if (way === undefined) throw new Error("There is no WebSocket here: use Node 22 or later, or give connect() one as `WebSocket`.");
    const start = (told: Handlers): Subscription => this.keep(new Subscription(way, options, told));
    return handlers === undefined ? new Stream(start) : start(handlers);
  }

  /** End every subscription. */
  close(): void {
    this.stopWatching();
    this.each((one) => one.close());
    this.open.clear();
  }

  private keep(made: Subscription): Subscription {
    this.each((one) => {
      if (one.state.phase === "ended") this.open.delete(one);
    });
    this.open.add(made);
    return made;
  }

  private each(act: (one: Subscription) => unknown): void {
    for (const one of [...this.open]) act(one);
  }

  private async ticket(): Promise<string | null> {
    if ((await this.api.token()) === null) return null; // nobody is logged in, or nobody need be
    return (await this.api.post("/api/v1/live/ticket", { body: { purpose: "ws" } })).ticket;
  }
}

/** What a browser says of its machine's network; elsewhere nobody does. Returns how to stop. */
function watchNetwork(lost: () => void, back: () => void): () => void {
  if (typeof globalThis.addEventListener !== "function") return () => undefined;
  globalThis.addEventListener("offline", lost);
  globalThis.addEventListener("online", back);
  return () => {
    globalThis.removeEventListener("offline", lost);
    globalThis.removeEventListener("online", back);
  };
}

/** This machine itself needs no network to be reached. */
function isHere(address: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(address).hostname);
}

/** `url` like `http://localhost:5000`; empty, in a page: where the page comes from. */
export function connect(url = "", options: ConnectOptions = {}): Client {
  return new Client(url.replace(/\/+$/, ""), options);
}

function liveAddress(url: string): string {
  const page = "location" in globalThis ? globalThis.location.href : undefined;
  const address = new URL(`${url}/ws`, page);
  address.protocol = address.protocol.replace("http", "ws");
  return address.href;
}
