// Made by scripts/client from docs/schemas/ws.json. Don't edit: change the source, and run it again.

/** The first message of a client that did not show its ticket in the address. In open mode it changes nothing. */
export interface Auth {
  type: "auth";
  ticket: string;
}

/** The end of `history`: live follows. Until then the cursor to come back with is the one that was asked with. */
export interface CaughtUp {
  type: "caught_up";
  /** The client's own number of a subscription. */
  id: number;
  /** Opaque: a place in the stream. */
  cursor: string;
}

export type ClientMessage = Subscribe | Unsubscribe | Ping | Auth;

/** `id` is the client's, or null where its message had none. */
export interface Error {
  type: "error";
  id: number | null;
  code: "bad_message" | "bad_since" | "history_unavailable" | "rate_limited" | "snapshot_incomplete" | "too_many_subscriptions" | "too_much_history" | "unknown_field" | "unknown_type";
  message: string;
}

/**
 * Something of these devices, with times between `from` and `to`, was not sent, or not whole.
 *
 * `dropped`: how many readings, 0 where nobody knows. Subscribing again with `since` brings them.
 */
export interface Gap {
  type: "gap";
  devices: string[] | "*";
  /** Opaque: a place in the stream. */
  since: string;
  /** UTC, always nine fraction digits. */
  from: string;
  /** UTC, always nine fraction digits. */
  to: string;
  dropped: number;
  reason: "slow_client" | "feed" | "not_stored_yet";
}

export interface Heartbeat {
  type: "heartbeat";
  /** Opaque: a place in the stream. */
  cursor: string;
}

/** What was missed since the place that the subscription named. A large one comes in several messages. */
export interface History {
  type: "history";
  /** The client's own number of a subscription. */
  id: number;
  readings: ShownReading[];
}

export interface Ping {
  type: "ping";
}

export interface Pong {
  type: "pong";
}

export interface Readings {
  type: "readings";
  /** Opaque: a place in the stream. */
  cursor: string;
  readings: ShownReading[];
}

export type ServerMessage = Welcome | Subscribed | Snapshot | History | CaughtUp | Readings | Status | Gap | Heartbeat | Pong | Error;

export interface ShownReading {
  device_id: string;
  /** UTC, always nine fraction digits. */
  timestamp: string;
  measurement: string;
  values: Record<string, number | boolean | string>;
}

/** The newest values of each device. A large one comes in several messages of the same `id`. */
export interface Snapshot {
  type: "snapshot";
  /** The client's own number of a subscription. */
  id: number;
  readings: ShownReading[];
}

/** What a device, or its last will, said of itself. */
export interface Status {
  type: "status";
  device_id: string;
  status: "online" | "offline";
  /** UTC, always nine fraction digits. */
  last_seen: string;
}

/** Begin, or replace, the subscription `id`. `"*"`: every device that the client may see, later ones too. */
export interface Subscribe {
  type: "subscribe";
  /** The client's own number of a subscription. */
  id: number;
  devices: string[] | "*";
  metrics?: string[] | null;
  since?: string | null;
  rate_hz?: number | null;
}

/** `devices`: how many of them are known. `unknown`: ids that do not exist, or that the client may not see. */
export interface Subscribed {
  type: "subscribed";
  /** The client's own number of a subscription. */
  id: number;
  devices: number;
  unknown: string[];
}

export interface Unsubscribe {
  type: "unsubscribe";
  /** The client's own number of a subscription. */
  id: number;
}

/** The first message of every session. A client reconnects after hearing nothing for two heartbeats and a bit. */
export interface Welcome {
  type: "welcome";
  version: number;
  heartbeat_s: number;
}
