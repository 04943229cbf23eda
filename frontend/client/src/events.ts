// What a subscription tells, live.
import type { Gap as GapMessage, ShownReading, Status as StatusMessage } from "./generated/messages.js";
import type { LiveError } from "./errors.js";
import type { ConnectionState } from "./line.js";

/** Known by its device, measurement and timestamp; values of the same reading merge. */
export type Reading = ShownReading;

export type GapReason = GapMessage["reason"] | "too_much_history" | "cursor_refused";

export interface StateEvent {
  type: "state";
  state: ConnectionState;
}
/** `unknown`: ids that do not exist, or belong to others; they stay subscribed. */
export interface SubscribedEvent {
  type: "subscribed";
  devices: number;
  unknown: string[];
}
/** The newest values of each device; not a reading: they may come from several. */
export interface SnapshotEvent {
  type: "snapshot";
  readings: Reading[];
}
export interface ReadingsEvent {
  type: "readings";
  readings: Reading[];
  /** They were missed, and asked for again. */
  replayed: boolean;
}
/** All that was missed has been told; what follows is live. */
export interface CaughtUpEvent {
  type: "caught_up";
}
export type StatusEvent = StatusMessage;
/**
 * Something did not come. `refilling`: it is asked for again, and `refilled` says when it is there.
 *
 * Otherwise read it over HTTP: after `too_much_history` (more than the server replays) from the newest reading that
 * you have, after `cursor_refused` (the server does not know the place any more) too. `from` and `to`: null if unknown.
 */
export interface GapEvent {
  type: "gap";
  devices: string[] | "*";
  from: string | null;
  to: string | null;
  dropped: number;
  reason: GapReason;
  refilling: boolean;
}
export interface RefilledEvent {
  type: "refilled";
}
/** Something to know; it goes on. */
export interface NoticeEvent {
  type: "notice";
  code: string;
  message: string;
}
/** It does not come back by itself. */
export interface EndedEvent {
  type: "ended";
  error: LiveError | null;
}

export type LiveEvent =
  | StateEvent
  | SubscribedEvent
  | SnapshotEvent
  | ReadingsEvent
  | CaughtUpEvent
  | StatusEvent
  | GapEvent
  | RefilledEvent
  | NoticeEvent
  | EndedEvent;

/** One function for each type of event that is of interest. */
export type Handlers = { [T in LiveEvent["type"]]?: (event: Extract<LiveEvent, { type: T }>) => void };

/** A handler that fails is an error of nobody's, like one in an event listener: the connection goes on. */
export function tell(handlers: Handlers, event: LiveEvent): void {
  const handler = handlers[event.type] as ((event: LiveEvent) => void) | undefined;
  try {
    handler?.(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
