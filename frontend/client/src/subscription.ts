// One subscription over its own connection: what it is told, each reading once, and where it goes on after a loss.
import { askedFor } from "./closing.js";
import { LiveError } from "./errors.js";
import { tell } from "./events.js";
import type { GapReason, Handlers, LiveEvent, Reading } from "./events.js";
import type { Error as ErrorMessage, Gap, ServerMessage, Subscribe } from "./generated/messages.js";
import { Line } from "./line.js";
import type { ConnectionState, Way } from "./line.js";
import { Place } from "./place.js";
import { Seen } from "./seen.js";

export interface SubscribeOptions {
  /** Ids, at most 1,000; `"*"`: all that the login may see, later ones too. Default: `"*"`. */
  devices?: readonly string[] | "*";
  /** Only these. Default: all. */
  metrics?: readonly string[];
  /** The newest of each device and metric so often a second, in place of every reading. */
  rate_hz?: number;
  /** From here on, in place of the newest values: a `cursor` of before, or a time like `-10m`. */
  since?: string;
  /** Whether what a `gap` left out is asked for again, or for which reasons of a gap it is. Default: true. */
  refill?: boolean | readonly Gap["reason"][];
  /** Ends the subscription. */
  signal?: AbortSignal;
}

const ID = 1;
/** Before a gap is asked for again: what the store does not have yet needs longer than what was dropped on the way. */
const REFILL_MS = { slow_client: 1_000, feed: 1_000, not_stored_yet: 5_000 };
const LONGEST_REFILL_MS = 60_000;
const AGAIN_MS = 10_000;

export class Subscription {
  private readonly line: Line;
  private readonly place: Place;
  private readonly seen = new Seen();
  private refillTimer: ReturnType<typeof setTimeout> | undefined;
  private refills = 0;
  private refillMs = 0;
  private greeted = false;
  /** When the server took the first question (performance.now()): the place to come back to until it has given one. */
  private listeningFrom: number | null = null;
  private now: ConnectionState = { phase: "connecting" };

  constructor(
    way: Way,
    private readonly options: SubscribeOptions,
    private readonly handlers: Handlers,
  ) {
    this.place = new Place(options.since ?? null);
    this.line = new Line(way, {
      state: (state) => this.turned(state),
      message: (message) => this.take(message),
    });
    options.signal?.addEventListener("abort", () => this.close(), { once: true });
    if (options.signal?.aborted) this.close();
    else this.line.start();
  }

  get state(): ConnectionState {
    return this.now;
  }

  /** The place up to which everything has been told: keep it, to come back with it as `since`. Null at the very beginning. */
  get cursor(): string | null {
    return this.place.given ? this.place.since : null;
  }

  close(): void {
    clearTimeout(this.refillTimer);
    this.line.end(null);
  }

  /** Dial now, instead of when the backoff has run out; also after an end. */
  retryNow(): void {
    this.line.retryNow();
  }

  /** The machine says that it has no network: waiting for a retry would only mislead. */
  networkLost(): void {
    this.line.networkLost();
  }

  networkBack(): void {
    if (this.now.phase === "offline" || this.now.phase === "reconnecting") this.line.retryNow();
  }

  /** Hang up until `retryNow`: nothing is missed, it goes on from where it was. */
  pause(): void {
    clearTimeout(this.refillTimer);
    this.line.pause();
  }

  private turned(state: ConnectionState): void {
    this.now = state;
    if (state.phase !== "live") clearTimeout(this.refillTimer); // who comes back asks from before the hole anyway
    this.emit({ type: "state", state });
    if (state.phase === "ended") this.emit({ type: "ended", error: state.error });
  }

  private take(message: ServerMessage): void {
    switch (message.type) {
      case "welcome":
        this.greeted = false;
        this.ask();
        break;
      case "subscribed":
        this.subscribed(message.devices, message.unknown);
        break;
      case "snapshot":
        this.emit({ type: "snapshot", readings: message.readings });
        break;
      case "history":
        this.tell(message.readings, true);
        break;
      case "readings":
        this.place.passed(message.cursor);
        this.tell(message.readings, false);
        break;
      case "heartbeat":
        this.place.passed(message.cursor);
        break;
      case "caught_up":
        this.caughtUp(message.cursor);
        break;
      case "status":
        this.emit(message);
        break;
      case "gap":
        this.broken(message);
        break;
      case "error":
        this.told(message);
    }
  }

  private ask(): void {
    clearTimeout(this.refillTimer);
    if (this.listeningFrom !== null) this.place.beginAt(ago(this.listeningFrom));
    this.place.asked();
    const { since } = this.place;
    if (since !== null) {
      this.line.send(this.wanted(since));
      return;
    }
    this.line.send(this.wanted());
    // newest values come without a cursor: asking on from now brings one at once, so that a loss in a quiet hour costs nothing
    this.line.send(this.wanted("now"));
  }

  private wanted(since?: string): Subscribe {
    const { devices = "*", metrics, rate_hz } = this.options;
    return {
      type: "subscribe",
      id: ID,
      devices: devices === "*" ? "*" : [...devices],
      ...(metrics === undefined ? {} : { metrics: [...metrics] }),
      ...(rate_hz === undefined ? {} : { rate_hz }),
      ...(since === undefined ? {} : { since }),
    };
  }

  private subscribed(devices: number, unknown: string[]): void {
    if (this.greeted) return; // a refill, or the second half of the first question
    this.greeted = true;
    if (this.place.awaiting === "first") this.listeningFrom ??= performance.now();
    this.line.settled();
    this.emit({ type: "subscribed", devices, unknown });
  }

  private tell(told: readonly Reading[], replayed: boolean): void {
    const readings = told.map((one) => this.seen.take(one)).filter((one) => one !== null);
    if (readings.length > 0) this.emit({ type: "readings", readings, replayed });
  }

  private caughtUp(cursor: string): void {
    const first = this.place.awaiting === "first";
    const filled = this.place.caughtUp(cursor);
    if (this.place.holed) this.refillSoon();
    if (filled) {
      this.refills = 0;
      this.emit({ type: "refilled" });
    }
    if (!first) this.emit({ type: "caught_up" });
  }

  private broken(gap: Gap): void {
    // the question for a place says nothing of what came before it
    if (this.place.awaiting === "first" && gap.reason === "not_stored_yet") return;
    const { refill = true } = this.options;
    const refilling = typeof refill === "boolean" ? refill : refill.includes(gap.reason);
    if (refilling) {
      this.refillMs = REFILL_MS[gap.reason];
      const news = this.place.broken(gap.since);
      if (news && this.place.awaiting === "live") this.refillSoon(); // one that is no news waits with the first
      if (!news && gap.reason === "not_stored_yet") return;
    }
    const { devices, from, to, dropped, reason } = gap;
    this.emit({ type: "gap", devices, from, to, dropped, reason, refilling });
  }

  private refillSoon(): void {
    clearTimeout(this.refillTimer);
    const waitMs = Math.min(LONGEST_REFILL_MS, this.refillMs * 2 ** this.refills);
    this.refills += 1;
    this.refillTimer = setTimeout(() => this.ask(), waitMs);
  }

  private told(error: ErrorMessage): void {
    switch (error.code) {
      case "too_much_history":
        this.place.unfillable();
        this.refills = 0;
        this.missed("too_much_history");
        break;
      case "bad_since":
        this.lostPlace(error);
        break;
      case "rate_limited":
        this.place.refused();
        clearTimeout(this.refillTimer);
        this.refillTimer = setTimeout(() => this.ask(), askedFor(error.message) ?? AGAIN_MS);
        break;
      case "history_unavailable": // a gap follows, and says the same
        break;
      case "snapshot_incomplete":
        this.emit({ type: "notice", code: error.code, message: error.message });
        break;
      default:
        this.line.end(new LiveError(error.code, error.message));
    }
  }

  /** A server that was set up anew knows no cursor of the old one; a `since` of the caller's own is theirs to mend. */
  private lostPlace(error: ErrorMessage): void {
    if (!this.place.given) {
      this.line.end(new LiveError(error.code, error.message));
      return;
    }
    this.place.forget();
    this.listeningFrom = null;
    this.missed("cursor_refused");
    this.ask();
  }

  private missed(reason: GapReason): void {
    const devices = this.options.devices ?? "*";
    const whose = devices === "*" ? "*" : [...devices];
    this.emit({ type: "gap", devices: whose, from: null, to: null, dropped: 0, reason, refilling: false });
  }

  private emit(event: LiveEvent): void {
    tell(this.handlers, event);
  }
}

/** A moment of performance.now() as a `since`: the server counts back by its own clock. */
function ago(at: number): string {
  return `-${Math.max(1, Math.ceil((performance.now() - at) / 1000))}s`;
}
