// Where in the stream to come back to: the one rule of docs/protocol.md, "Coming back", as a value that changes.

/**
 * What was asked for last, and what of it has come.
 *
 * `first`: newest values, then live. `history`: what was missed, then live. `live`: nothing is outstanding.
 */
export type Awaiting = "first" | "history" | "live";

export class Place {
  awaiting: Awaiting = "live";
  /** Everything before it has come, but for what lies behind the hole. */
  private cursor: string | null = null;
  /** The place before the first gap that has yet to be filled: of several, it brings what is missing of all. */
  private hole: string | null = null;
  private gapInHistory = false;

  constructor(private begin: string | null) {}

  /** What to subscribe with; null: from now on. */
  get since(): string | null {
    return this.hole ?? this.cursor ?? this.begin;
  }

  get holed(): boolean {
    return this.hole !== null;
  }

  /** Whether the place is one that the server gave, and not the caller's own. */
  get given(): boolean {
    return (this.hole ?? this.cursor) !== null;
  }

  /** Where nobody gave a place: what has been listened to from then on. */
  beginAt(since: string): void {
    if (this.since === null) this.begin = since;
  }

  asked(): void {
    this.awaiting = this.since === null ? "first" : "history";
    this.gapInHistory = false;
  }

  /** The server did not do what was asked. */
  refused(): void {
    this.awaiting = "live";
  }

  /** Begin as somebody new. */
  forget(): void {
    this.begin = null;
    this.cursor = null;
    this.hole = null;
  }

  /** With readings or a heartbeat. Until `caught_up` the place to come back to is the one that was asked with. */
  passed(cursor: string): void {
    if (this.awaiting === "live") this.cursor = cursor;
  }

  /** Before this place all is whole. Returns whether it is news. */
  broken(since: string): boolean {
    const news = this.hole === null;
    this.hole ??= since;
    if (this.awaiting === "history") this.gapInHistory = true;
    return news;
  }

  /** What is behind the hole can't be had this way. */
  unfillable(): void {
    this.hole = null;
    this.gapInHistory = false;
  }

  /** Returns whether a hole was filled by it. */
  caughtUp(cursor: string): boolean {
    const filled = this.awaiting === "history" && this.hole !== null && !this.gapInHistory;
    this.awaiting = "live";
    this.cursor = cursor;
    if (filled) this.hole = null;
    return filled;
  }
}
