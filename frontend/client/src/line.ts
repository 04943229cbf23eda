// One WebSocket after another: dial, log in, notice silence, come back. Knows sockets and timers, not what is said.
import { backoffMs } from "./backoff.js";
import { verdictOn } from "./closing.js";
import { LiveError, Refused, Unreachable } from "./errors.js";
import { parseMessage } from "./frames.js";
import type { ClientMessage, ServerMessage } from "./generated/messages.js";

export type ConnectionState =
  | { phase: "connecting" }
  | { phase: "live" }
  /** `retryAt` (epoch ms) while waiting, null while an attempt runs; `since`: when the connection was lost. */
  | { phase: "reconnecting"; retryAt: number | null; since: number }
  /** The machine has no network: dialled again when it is back. */
  | { phase: "offline"; since: number }
  /** Whoever reads is behind: dialled again, at the same place, once it has caught up. */
  | { phase: "paused" }
  | { phase: "ended"; error: LiveError | null };

/** The part of a WebSocket that is used. */
export type Socket = Pick<WebSocket, "onopen" | "onmessage" | "onclose" | "onerror" | "send" | "close">;

export interface Way {
  open: () => Socket;
  /** A new ticket for each connection; null: none is needed. */
  ticket?: () => Promise<string | null>;
  random?: () => number;
}

export interface LineEvents {
  state: (state: ConnectionState) => void;
  message: (message: ServerMessage) => void;
}

const TOO_OFTEN = 429;
const DIAL_TIMEOUT_MS = 10_000;
/** A ticket lives for 30 s: what is left of them is for the way. */
const TICKET_GOOD_MS = 20_000;
/** 45 s for the usual heartbeat of 20 s: two may be missed, and a little. */
const SILENCE_PER_HEARTBEAT = 2.25;

export class Line {
  private socket: Socket | null = null;
  private dialling = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private silenceMs = DIAL_TIMEOUT_MS;
  private attempt = 0;
  private logins = 0;
  private lostAt: number | null = null;
  /** A ticket that was shown to nobody yet: while realtime is away, the api is not asked for one at each attempt. */
  private spare: { ticket: string; since: number } | null = null;
  private stopped = true;
  private ended = false;

  constructor(
    private readonly way: Way,
    private readonly events: LineEvents,
  ) {}

  start(): void {
    if (this.ended) this.logins = this.attempt = 0; // what was in vain before the end says nothing of now
    this.stopped = false;
    this.ended = false;
    this.spare = null; // it may be of another login
    this.dial();
  }

  /** Now, instead of when the backoff has run out; also after the end, for instance with a new login. */
  retryNow(): void {
    if (this.socket === null) this.start();
  }

  networkLost(): void {
    if (this.stopped) return;
    this.hangUp();
    this.lostAt ??= Date.now();
    this.events.state({ phase: "offline", since: this.lostAt });
  }

  pause(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.hangUp();
    this.events.state({ phase: "paused" });
  }

  end(error: LiveError | null): void {
    if (this.ended) return;
    this.ended = true;
    this.stopped = true;
    this.hangUp();
    this.events.state({ phase: "ended", error });
  }

  send(message: ClientMessage): void {
    this.socket?.send(JSON.stringify(message));
  }

  /** The server has done what was asked: it is a connection, and not one attempt more. */
  settled(): void {
    this.attempt = 0;
    this.logins = 0;
    this.lostAt = null;
    this.events.state({ phase: "live" });
  }

  private dial(): void {
    this.hangUp();
    this.events.state(
      this.lostAt === null ? { phase: "connecting" } : { phase: "reconnecting", retryAt: null, since: this.lostAt },
    );
    if (this.way.ticket === undefined) this.open(null);
    else void this.logIn(this.way.ticket);
  }

  private async logIn(ask: () => Promise<string | null>): Promise<void> {
    const dialling = this.dialling;
    const asked = Date.now();
    let ticket: string | null;
    try {
      ticket = this.spare !== null && Date.now() - this.spare.since < TICKET_GOOD_MS ? this.spare.ticket : await ask();
    } catch (error) {
      if (dialling !== this.dialling) return;
      if (error instanceof Refused && error.status !== TOO_OFTEN) {
        this.end(new LiveError(error.code, error.message, { cause: error }));
        return;
      }
      this.comeBack(error instanceof Refused || error instanceof Unreachable ? error.retryAfterMs : null);
      return;
    }
    if (dialling !== this.dialling) return;
    if (ticket !== null && ticket !== this.spare?.ticket) this.spare = { ticket, since: asked };
    this.open(ticket);
  }

  private open(ticket: string | null): void {
    let socket: Socket;
    try {
      socket = this.way.open();
    } catch {
      this.comeBack(null); // an address that is none is told where it is made
      return;
    }
    this.socket = socket;
    this.silenceMs = DIAL_TIMEOUT_MS;
    this.watch();
    socket.onopen = () => {
      // without a ticket: a server that wants one refuses any other message at once, instead of waiting for it
      this.spare = null;
      this.send(ticket === null ? { type: "ping" } : { type: "auth", ticket });
    };
    socket.onmessage = (event) => this.heard(event.data);
    socket.onclose = (event) => this.closed(event.code, event.reason);
    socket.onerror = () => undefined; // a close follows every error
  }

  private heard(data: unknown): void {
    const message = parseMessage(data);
    if (message?.type === "welcome") this.silenceMs = message.heartbeat_s * 1000 * SILENCE_PER_HEARTBEAT;
    this.watch();
    if (message !== null) this.events.message(message);
  }

  private closed(code: number, reason: string): void {
    const verdict = verdictOn(code, reason, this.way.random);
    if (!verdict.retry) {
      this.end(verdict.error);
      return;
    }
    if (verdict.login) {
      this.logins += 1;
      // a ticket that was refused may have been too old; a second one in a row says that nobody is logged in
      if (this.way.ticket === undefined || this.logins > 1) {
        this.end(new LiveError(code, reason || "A login is needed."));
        return;
      }
    }
    this.lost(verdict.afterMs);
  }

  private watch(): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.lost(null), this.silenceMs);
  }

  private lost(afterMs: number | null): void {
    this.hangUp();
    this.lostAt ??= Date.now();
    this.comeBack(afterMs);
  }

  private comeBack(afterMs: number | null): void {
    if (this.stopped) return;
    const waitMs = afterMs ?? backoffMs(this.attempt, this.way.random);
    this.attempt += 1;
    this.lostAt ??= Date.now();
    this.events.state({ phase: "reconnecting", retryAt: Date.now() + waitMs, since: this.lostAt });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.dial(), waitMs);
  }

  /** Detached before it is closed: a dead peer answers a close minutes later, and must not end the next connection. */
  private hangUp(): void {
    this.dialling += 1;
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    const socket = this.socket;
    this.socket = null;
    if (socket === null) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }
}
