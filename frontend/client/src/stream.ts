// A subscription to be read with `for await`: in the reader's own time, with nothing lost and nothing piling up.
import type { Handlers, LiveEvent, Reading } from "./events.js";
import type { Subscription } from "./subscription.js";

/** A reader so far behind is let catch up: the line hangs up, and goes on later from where it was. */
const MANY_READINGS = 20_000;
const FEW_READINGS = 1_000;

interface Queued {
  event: LiveEvent;
  readings: number;
  cursor: string | null;
}

const TOLD: LiveEvent["type"][] = [
  "state",
  "subscribed",
  "snapshot",
  "readings",
  "caught_up",
  "status",
  "gap",
  "refilled",
  "notice",
  "ended",
];

export class Stream implements AsyncIterable<Reading> {
  private subscription: Subscription | null = null;
  private readonly queue: Queued[] = [];
  private waiting = 0;
  private paused = false;
  /** The end has been read: nothing follows. */
  private over = false;
  private read: string | null = null;
  private wake: (() => void) | null = null;

  constructor(subscribe: (handlers: Handlers) => Subscription) {
    const take = (event: LiveEvent): void => this.put(event);
    this.subscription = subscribe(Object.fromEntries(TOLD.map((type) => [type, take])));
  }

  /** Everything up to it has been read: keep it, to come back with it as `since`. */
  get cursor(): string | null {
    return this.read;
  }

  close(): void {
    this.subscription?.close();
  }

  /** Every reading, one by one. Leaving the loop ends the subscription; what ends it for good is thrown. */
  [Symbol.asyncIterator](): AsyncGenerator<Reading, void, undefined> {
    return this.closing(this.each());
  }

  /** Everything that is told: readings in groups, newest values, gaps, the connection's state. */
  events(): AsyncGenerator<LiveEvent, void, undefined> {
    return this.closing(this.told());
  }

  private async *told(): AsyncGenerator<LiveEvent, void, undefined> {
    try {
      for (;;) {
        const next = this.queue.shift();
        if (next === undefined) {
          if (this.over) return;
          await new Promise<void>((resolve) => (this.wake = resolve));
          continue;
        }
        this.over = next.event.type === "ended";
        if (next.event.type === "ended" && next.event.error !== null) throw next.event.error;
        yield next.event;
        this.done(next);
      }
    } finally {
      this.close();
    }
  }

  private async *each(): AsyncGenerator<Reading, void, undefined> {
    for await (const event of this.told()) {
      if (event.type === "readings") yield* event.readings;
    }
  }

  /** Who leaves while `next` waits would wait behind it: the end has to come first. */
  private closing<T>(told: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
    const leave = told.return.bind(told);
    told.return = (value) => {
      this.close();
      return leave(value);
    };
    return told;
  }

  private put(event: LiveEvent): void {
    const readings = event.type === "readings" ? event.readings.length : 0;
    this.queue.push({ event, readings, cursor: this.subscription?.cursor ?? null });
    this.waiting += readings;
    this.wake?.();
    if (this.waiting > MANY_READINGS && !this.paused) {
      this.paused = true;
      this.subscription?.pause();
    }
  }

  private done(read: Queued): void {
    this.read = read.cursor ?? this.read;
    this.waiting -= read.readings;
    if (!this.paused || this.waiting > FEW_READINGS) return;
    this.paused = false;
    if (this.subscription?.state.phase === "paused") this.subscription.retryNow(); // not after its end
  }
}
