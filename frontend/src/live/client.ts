// The live connection: connect, subscribe, notice silence, reconnect. Knows sockets and timers, nothing of the page.
import { backoffMs } from "./backoff";
import { parseMessage } from "./messages";
import type { Gap, LiveReading, ServerMessage, StatusChange } from "./messages";

export type ConnectionState =
  | { phase: "connecting" }
  | { phase: "live" }
  /** `retryAt` (epoch ms) while waiting, null while an attempt runs; `since`: when the connection was lost. */
  | { phase: "reconnecting"; retryAt: number | null; since: number }
  | { phase: "offline"; since: number };

export interface LiveHandlers {
  state(state: ConnectionState): void;
  snapshot(readings: LiveReading[]): void;
  readings(readings: LiveReading[]): void;
  status(change: StatusChange): void;
  gap(gap: Gap): void;
  /** Live again after a loss: what was missed meanwhile must be asked for. */
  restored(): void;
}

/** The part of a browser's WebSocket that is used; tests bring their own. */
export type Socket = Pick<WebSocket, "onmessage" | "onclose" | "onerror" | "send" | "close">;

const DIAL_TIMEOUT_MS = 10_000;
/** 45 s for the usual heartbeat of 20 s: two may be missed, and a little. */
const SILENCE_PER_HEARTBEAT = 2.25;

export class LiveClient {
  private socket: Socket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private silenceMs = DIAL_TIMEOUT_MS;
  private attempt = 0;
  private lostAt: number | null = null;
  private stopped = true;

  constructor(
    private readonly open: () => Socket,
    private readonly handlers: LiveHandlers,
    private readonly random: () => number = Math.random,
  ) {}

  start(): void {
    this.stopped = false;
    this.dial();
  }

  stop(): void {
    this.stopped = true;
    this.hangUp();
  }

  /** Try at once instead of waiting for the backoff to run out. */
  retryNow(): void {
    if (this.stopped || this.socket !== null) return;
    this.dial();
  }

  /** The browser has lost its network: waiting for a retry would only mislead. */
  networkLost(): void {
    if (this.stopped) return;
    this.hangUp();
    this.lostAt ??= Date.now();
    this.handlers.state({ phase: "offline", since: this.lostAt });
  }

  private dial(): void {
    clearTimeout(this.timer);
    this.handlers.state(
      this.lostAt === null ? { phase: "connecting" } : { phase: "reconnecting", retryAt: null, since: this.lostAt },
    );
    let socket: Socket;
    try {
      socket = this.open();
    } catch {
      this.comeBack();
      return;
    }
    this.socket = socket;
    this.silenceMs = DIAL_TIMEOUT_MS;
    this.watch();
    socket.onmessage = (event) => this.heard(event.data);
    socket.onclose = () => this.lost();
    socket.onerror = () => undefined; // a close follows every error
  }

  private heard(data: unknown): void {
    this.watch();
    const message = typeof data === "string" ? parseMessage(data) : null;
    if (message !== null) this.handle(message);
  }

  private handle(message: ServerMessage): void {
    switch (message.type) {
      case "welcome":
        this.silenceMs = message.heartbeat_s * 1000 * SILENCE_PER_HEARTBEAT;
        this.watch();
        this.socket?.send(JSON.stringify({ type: "subscribe", id: 1, devices: "*" }));
        break;
      case "subscribed":
        this.subscribed();
        break;
      case "snapshot":
        this.handlers.snapshot(message.readings);
        break;
      case "readings":
        this.handlers.readings(message.readings);
        break;
      case "status":
        this.handlers.status(message);
        break;
      case "gap":
        this.handlers.gap(message);
        break;
      case "error":
        console.warn(`live: ${message.code}: ${message.message}`);
    }
  }

  private subscribed(): void {
    const wasLost = this.lostAt !== null;
    this.attempt = 0;
    this.lostAt = null;
    this.handlers.state({ phase: "live" });
    if (wasLost) this.handlers.restored();
  }

  private watch(): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.lost(), this.silenceMs);
  }

  private lost(): void {
    this.hangUp();
    this.lostAt ??= Date.now();
    this.comeBack();
  }

  private comeBack(): void {
    if (this.stopped) return;
    const wait = backoffMs(this.attempt, this.random);
    this.attempt += 1;
    this.lostAt ??= Date.now();
    this.handlers.state({ phase: "reconnecting", retryAt: Date.now() + wait, since: this.lostAt });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.dial(), wait);
  }

  /** Detached before it is closed: a dead peer answers a close minutes later, and must not end the next connection. */
  private hangUp(): void {
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    const socket = this.socket;
    this.socket = null;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }
}
