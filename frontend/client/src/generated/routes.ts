// Made by scripts/client from the OpenAPI description. Don't edit: change the source, and run it again.

import type { Upload } from "../upload.js";

export interface AuditEvent {
  id: number;
  time: string;
  /** Who did it; null: nobody had logged in. */
  user_id: number | null;
  event: string;
  /** To whom, or to what. */
  subject: string;
  /** From where; behind proxies see TELEMETRIO_TRUSTED_HOPS. */
  address: string;
  outcome: "ok" | "refused";
}

/** Per second; null where there are no two readings at different times. */
export interface ChangeOut {
  /** From the first to the last reading. */
  mean_per_s: number | null;
  /** The greatest between two neighbours. */
  max_rise_per_s: number | null;
  /** The least between two neighbours. */
  max_fall_per_s: number | null;
}

export interface Code {
  code: string;
  letters: number;
  /** How many devices they are of. */
  devices: number;
  newest_at: string;
}

/** received = stored + spooled + dead_lettered + discarded, in entries; the rest is told beside it. */
export interface Counters {
  received: number;
  stored: number;
  /** On disk here, on the way to the store. */
  spooled: number;
  dead_lettered: number;
  discarded: number;
  redriven: number;
  messages: number;
  metrics_refused: number;
  duplicates: number;
  overwritten: number;
  ignored: number;
  status: number;
  balanced: boolean;
}

export interface Credential {
  name: string;
  /** As whom to connect: the device's id, on some brokers with `~` and the name. */
  username: string;
  created_at: string;
  last_used_at: string | null;
}

export interface Dependency {
  state: "ok" | "degraded" | "down";
  since: string;
  /** What is the matter; empty for callers from elsewhere but administrators. */
  detail: string;
  /** Without it this process can't do its job. */
  needed: boolean;
}

export interface Device {
  id: number;
  device_id: string;
  name: string;
  status: "online" | "offline";
  /** When its newest data arrived, ISO 8601 UTC. */
  last_seen: string | null;
  temperature: number | boolean | string | null;
  humidity: number | boolean | string | null;
  pressure: number | boolean | string | null;
  /** Every metric that it ever sent: the newest value. */
  values: Record<string, number | boolean | string>;
  measurement: string;
  profile: string;
  /** Units of the metrics that its profile declares. */
  units: Record<string, string>;
  /** false: it registered itself by publishing, and nobody has named it yet. */
  claimed: boolean;
  disabled: boolean;
  /** Whose it is. */
  user_id: number;
  created_at: string;
}

export interface DeviceOut {
  device_id: string;
  metrics: Record<string, MetricOut>;
  /** null unless x, y and z were measured together. */
  knee: KneeOut | null;
}

export interface DeviceToday {
  device_id: string;
  name: string;
  status: "online" | "offline";
  last_seen: string | null;
  /** Minutes of today in which it measured anything. */
  active_minutes: number;
  metrics: Record<string, MetricToday>;
  /** Of a knee: today's. */
  repetitions: number | null;
}

/** Each other device minus `base`. */
export interface DevicesCompared {
  base: string;
  devices: Record<string, Record<string, DifferenceOut>>;
}

export interface DevicesPage {
  data: Device[];
  total: number;
  page: number;
  per_page: number;
}

export interface DevicesStep {
  data: Device[];
  /** Ask again with it; null at the end. */
  cursor: string | null;
}

/** Figure by figure; null where either has none. */
export interface DifferenceOut {
  count: number;
  mean: number;
  min: number;
  max: number;
  stddev: number | null;
  median: number;
  p95: number;
}

export interface ErrorDetail {
  field: string;
  code: string;
  message: string;
}

/** In the metric's own unit. */
export interface FiguresOut {
  count: number;
  mean: number;
  min: number;
  max: number;
  /** Of the sample; null for a single reading. */
  stddev: number | null;
  median: number;
  /** The nearest rank: sorted[floor(0.95 n + 0.5) - 1]. */
  p95: number;
}

/** A bin takes its lower edge and leaves its upper one, but for the last. */
export interface HistogramOut {
  edges: number[];
  counts: number[];
}

export interface ImportProblem {
  /** From 1; the header of a CSV, and blank lines, don't count. */
  row: number;
  /** `partly`: its other metrics were taken. */
  outcome: "refused" | "partly";
  code: string;
  message: string;
}

export interface Item {
  id: string;
  name: string;
  description: string;
  status: "pending" | "active" | "completed";
  quantity: number;
  created_at: string;
  updated_at: string | null;
}

export interface ItemsPage {
  data: Item[];
  total: number;
  page: number;
  per_page: number;
}

export interface Key {
  id: string;
  user_id: number;
  name: string;
  /** How it begins. */
  hint: string;
  scopes: ("read" | "write" | "live" | "admin")[];
  created_at: string;
  expires_at: string | null;
  /** To the minute. */
  last_used_at: string | null;
  revoked_at: string | null;
}

/** Motion, in the unit of x, y and z. The metric `magnitude` is sqrt(x² + y² + z²). */
export interface KneeOut {
  /** Greatest minus least, of x, y, z and magnitude. */
  range_of_motion: Record<string, number>;
  /** Peaks of the magnitude that rise and fall by at least `prominence`. */
  repetitions: number;
  prominence: number;
  /** The median time between two of them. */
  seconds_per_repetition: number | null;
  windows: KneeWindow[] | null;
}

export interface KneeWindow {
  start: string;
  end: string;
  repetitions: number;
  /** Of the magnitude. */
  range_of_motion: number;
}

/** Something that could not be stored. Its payload stands in full (64 KiB at most) at `/raw`. */
export interface Letter {
  id: number;
  kind: "message" | "part" | "reading" | "shed";
  code: string;
  detail: string;
  device_id: string | null;
  topic: string;
  received_at: string;
  /** How many entries of the books it is; 0 for a part of an accepted message. */
  entries: number;
  /** Length of the whole payload, even where less was kept. */
  payload_bytes: number;
  /** Of the whole payload. */
  sha256: string;
  /** Its first 2,000 characters, with U+FFFD for what is no UTF-8. */
  payload_text: string;
  /** The metrics that were refused. */
  paths: Refused[];
}

export interface Line {
  item_id: string;
  quantity: number;
}

/** A device with its newest values; null for the three seed metrics that it has not sent. */
export interface ListedDevice {
  id: number;
  device_id: string;
  name: string;
  status: "online" | "offline";
  /** When its newest data arrived, ISO 8601 UTC. */
  last_seen: string | null;
  temperature: number | boolean | string | null;
  humidity: number | boolean | string | null;
  pressure: number | boolean | string | null;
  /** Every metric that it ever sent: the newest value. */
  values: Record<string, number | boolean | string>;
  measurement: string;
  profile: string;
  /** Units of the metrics that its profile declares. */
  units: Record<string, string>;
  /** false: it registered itself by publishing, and nobody has named it yet. */
  claimed: boolean;
}

/** One metric of a profile; `unit` is for people, `minimum` and `maximum` are inclusive. */
export interface Metric {
  type?: "number" | "string" | "boolean";
  unit?: string;
  minimum?: number | null;
  maximum?: number | null;
}

export interface MetricOut {
  count: number;
  mean: number;
  min: number;
  max: number;
  /** Of the sample; null for a single reading. */
  stddev: number | null;
  median: number;
  /** The nearest rank: sorted[floor(0.95 n + 0.5) - 1]. */
  p95: number;
  change: ChangeOut;
  histogram: HistogramOut;
  /** Windows with readings; null without `every`. */
  windows: WindowOut[] | null;
}

export interface MetricShown {
  type: "number" | "string" | "boolean";
  unit: string;
  /** Numbers below it are refused, alone. */
  minimum: number | null;
  maximum: number | null;
}

/** Six significant digits. Without readings today `last` and `count` alone, for a word or state `last` alone. */
export interface MetricToday {
  /** The newest value, from whenever it is. */
  last: number | boolean | string | null;
  min: number | null;
  mean: number | null;
  max: number | null;
  /** Readings today. */
  count: number | null;
}

/** So many of an item. */
export interface NewLine {
  /** One of your items. */
  item_id: string | number;
  quantity?: number;
}

export interface Order {
  id: string;
  internal_number: string;
  status: string;
  items: Line[];
  created_at: string;
  updated_at: string | null;
}

export interface OrdersPage {
  data: Order[];
  total: number;
  page: number;
  per_page: number;
}

export interface OwnSession {
  id: string;
  /** When somebody logged in. */
  created_at: string;
  /** When its tokens were renewed last. */
  last_used_at: string;
  expires_at: string;
  /** Whether this request belongs to it. */
  current: boolean;
}

export interface PeoplePage {
  data: Person[];
  total: number;
  page: number;
  per_page: number;
}

export interface PeriodOut {
  /** Then. */
  figures: Record<string, FiguresOut>;
  /** Now minus then. */
  difference: Record<string, DifferenceOut>;
}

export interface PeriodsCompared {
  start: string;
  end: string;
  devices: Record<string, PeriodOut>;
}

/** `user_id` is the same as `id`. Everything that a profile keeps stands beside these. */
export interface Person {
  id: number;
  user_id: number;
  name: string;
  email: string | null;
  role: string;
  created_at: string;
  [key: string]: unknown;
}

export interface Profile {
  name: string;
  /** The measurement of the time-series store that its readings go to. */
  measurement: string;
  metrics: Record<string, MetricShown>;
  /** Whether metrics that it does not name are taken too. */
  open: boolean;
  /** Built-in ones can neither be changed nor deleted. */
  builtin: boolean;
  updated_at: string | null;
}

export interface ProfilesPage {
  data: Profile[];
  total: number;
  page: number;
  per_page: number;
}

export interface ReadingOut {
  device_id: string;
  /** ISO 8601 UTC with 9 fraction digits, or an integer with `epoch`. */
  timestamp: string | number;
  measurement: string;
  values: Record<string, number | boolean | string>;
}

export interface Refused {
  path: string;
  code: string;
}

export interface Reported {
  /** As a spreadsheet counts: the header is row 1. */
  row: number;
  device_id: string;
  outcome: "added" | "changed" | "unchanged" | "refused";
  /** Empty, or why it was refused. */
  code: string;
  message: string;
}

/** One reading; its metrics stand beside these. */
export interface Row {
  time: string;
  device_id: string;
  measurement: string;
  [key: string]: number | boolean | string;
}

/** One metric of one device, one row per point or window; `rows` has the values in the order of `columns`. */
export interface SeriesOut {
  device_id: string;
  /** Whose it was: a device that changed hands has a series for each owner. */
  user_id: number;
  measurement: string;
  metric: string;
  /** Of strings and booleans only `count`, `first` and `last` are told, else null. */
  type: "number" | "string" | "boolean";
  columns: string[];
  rows: ((number | boolean | string | null)[])[];
}

/** One ingest worker's books since its file was made (`epoch`). */
export interface Source {
  received: number;
  stored: number;
  /** On disk here, on the way to the store. */
  spooled: number;
  dead_lettered: number;
  discarded: number;
  redriven: number;
  messages: number;
  metrics_refused: number;
  duplicates: number;
  overwritten: number;
  ignored: number;
  status: number;
  balanced: boolean;
  source: string;
  epoch: string;
  updated_at: string;
  /** How old these figures are. */
  age_s: number;
}

/**
 * How long the readings of the last minute took.
 *
 * `device`: from their own time until they were on disk; `commit`: that alone; `store`: from there until the
 * time-series store had them.
 */
export interface Stage {
  stage: "device" | "commit" | "store";
  p50_ms: number;
  p99_ms: number;
  /** Samples: commits, or groups written to the store. */
  n: number;
}

export interface StagesOfSource {
  source: string;
  epoch: string;
  /** Those of which there is anything to tell. */
  stages: Stage[];
  updated_at: string;
  /** How old these figures are. */
  age_s: number;
}

export interface User {
  id: number;
  name: string;
  email: string | null;
  role: "admin" | "user";
  disabled: boolean;
  must_change_password: boolean;
  /** Whether there is a password. */
  can_log_in: boolean;
  created_at: string;
}

export interface WindowOut {
  count: number;
  mean: number;
  min: number;
  max: number;
  /** Of the sample; null for a single reading. */
  stddev: number | null;
  median: number;
  /** The nearest rank: sorted[floor(0.95 n + 0.5) - 1]. */
  p95: number;
  start: string;
  end: string;
}

/** By method and path. */
export interface Routes {
  /** Revoke a key: it opens nothing from now on, and stays in the list. */
  "DELETE /api/v1/api-keys/{key_id}": {
    path: { key_id: string | number };
    answer: undefined;
  };
  /** Log out everywhere else: every session of the caller but this one ends. */
  "DELETE /api/v1/auth/sessions": {
    answer: undefined;
  };
  /** End one session of the caller. */
  "DELETE /api/v1/auth/sessions/{session_id}": {
    path: { session_id: string | number };
    answer: undefined;
  };
  /** Delete a device. Its readings stay; what it sends from now on is an unknown device's. */
  "DELETE /api/v1/devices/{device_id}": {
    path: { device_id: string | number };
    answer: undefined;
  };
  /** Revoke one: nobody gets in with it any more. */
  "DELETE /api/v1/devices/{device_id}/credentials/{name}": {
    path: { device_id: string | number; name: string | number };
    answer: undefined;
  };
  /** Delete an item; one that an order names stays (409). */
  "DELETE /api/v1/items/{item_id}": {
    path: { item_id: string | number };
    answer: undefined;
  };
  /** Delete an order with its lines; the items stay. */
  "DELETE /api/v1/orders/{order_id}": {
    path: { order_id: string | number };
    answer: undefined;
  };
  /** Delete a profile that no device has (admin). */
  "DELETE /api/v1/profiles/{name}": {
    path: { name: string | number };
    answer: undefined;
  };
  /** Delete a user to whom nothing ever belonged; others can be disabled. */
  "DELETE /api/v1/users/{user_id}": {
    path: { user_id: string | number };
    answer: undefined;
  };
  /** All devices with status and latest values. */
  "GET /api/devices": {
    answer: ListedDevice[];
  };
  /** The same as `/api/user/{id}`, by the name that some frontends ask for. */
  "GET /api/sensor_data/{user_id}": {
    path: { user_id: string | number };
    query?: {
      /** How many rows, the newest first. */
      limit?: number;
    };
    answer: {
      user: Person;
      /** The newest readings of the user's devices, newest first. */
      sensor_data: Row[];
    };
  };
  /** One user, and the newest readings of their devices. */
  "GET /api/user/{user_id}": {
    path: { user_id: string | number };
    query?: {
      /** How many rows, the newest first. */
      limit?: number;
    };
    answer: {
      user: Person;
      /** The newest readings of the user's devices, newest first. */
      sensor_data: Row[];
    };
  };
  /** All users, for an administrator; others see themselves. */
  "GET /api/users": {
    query?: {
      /** Which page, from 1. */
      page?: number;
      /** How many on a page. */
      per_page?: number;
    };
    answer: Person[] | PeoplePage;
  };
  /** Version, whether one must log in, and where devices publish. */
  "GET /api/v1/about": {
    answer: {
      version: string;
      /** `open`: every caller is the local admin. */
      auth: "open" | "required";
      /** Whether one may make oneself an account. */
      registration: boolean;
      /** Where devices publish, if the broker is in this process. */
      mqtt_port: number | null;
    };
  };
  /** The keys of the caller, of everybody for an administrator; never the keys themselves. */
  "GET /api/v1/api-keys": {
    answer: Key[];
  };
  /** Logins, refused ones too, and every change of users, keys, credentials and devices' owners; the newest first. */
  "GET /api/v1/audit": {
    query?: {
      /** Which page, from 1. */
      page?: number;
      /** How many on a page. */
      per_page?: number;
      /** Only what this user did. */
      user_id?: number;
      /** Only these, like `login`. */
      event?: string;
      outcome?: "ok" | "refused";
    };
    answer: {
      data: AuditEvent[];
      total: number;
      page: number;
      per_page: number;
    };
  };
  /** The user on whose behalf this request is made. */
  "GET /api/v1/auth/me": {
    answer: User;
  };
  /** Where the caller is logged in. */
  "GET /api/v1/auth/sessions": {
    answer: OwnSession[];
  };
  /** What could not be stored and why, the newest first, a page at a time. */
  "GET /api/v1/dead-letters": {
    query?: {
      /** Which page, from 1. */
      page?: number;
      /** How many on a page. */
      per_page?: number;
      /** Only with this in device id, topic, code or detail. */
      q?: string;
      /** Only these reasons, comma-separated. */
      code?: string;
      /** Only of these devices, comma-separated. */
      device_id?: string;
      /** Only of this kind. */
      kind?: "message" | "part" | "reading" | "shed";
    };
    answer: {
      data: Letter[];
      total: number;
      page: number;
      per_page: number;
    };
  };
  /** Why things could not be stored, and how often. */
  "GET /api/v1/dead-letters/codes": {
    query?: {
      /** Only of these devices, comma-separated. */
      device_id?: string;
    };
    answer: Code[];
  };
  /** One dead letter. */
  "GET /api/v1/dead-letters/{letter_id}": {
    path: { letter_id: string | number };
    answer: Letter;
  };
  /** The bytes that the device sent, as a download: its first 64 KiB. */
  "GET /api/v1/dead-letters/{letter_id}/raw": {
    path: { letter_id: string | number };
    answer: Response;
  };
  /** All devices of the caller that match, with status and newest values: bare, in pages, or step by step. */
  "GET /api/v1/devices": {
    query?: {
      /** Which page, from 1. */
      page?: number;
      /** How many on a page. */
      per_page?: number;
      /** Only devices with this in their id or name. */
      q?: string;
      /** Only those that are online, or offline, now. */
      status?: "online" | "offline";
      /** Only of these profiles, comma-separated. */
      profile?: string;
      /** `false`: only those that registered themselves. */
      claimed?: boolean;
      disabled?: boolean;
      /** Only of this owner (for administrators). */
      user_id?: number;
      /** `-` before it: descending. Devices without the value come last. */
      sort?: "id" | "device_id" | "name" | "profile" | "status" | "last_seen" | "created_at" | "-id" | "-device_id" | "-name" | "-profile" | "-status" | "-last_seen" | "-created_at";
      /** How many in one step. */
      limit?: number;
      /** Of the step before. */
      cursor?: string;
    };
    answer: Device[] | DevicesPage | DevicesStep;
  };
  /** All devices of the caller as CSV, as POST takes it. */
  "GET /api/v1/devices/bulk": {
    answer: Response;
  };
  /** One device. */
  "GET /api/v1/devices/{device_id}": {
    path: { device_id: string | number };
    answer: Device;
  };
  /** What a device may prove itself with, without the passwords. */
  "GET /api/v1/devices/{device_id}/credentials": {
    path: { device_id: string | number };
    answer: Credential[];
  };
  /** Readings of one device in a range, page by page, as they were sent. */
  "GET /api/v1/devices/{device_id}/readings": {
    path: { device_id: string | number };
    query?: {
      /** From here, inclusive. Default: the oldest. */
      start?: string;
      /** Up to here, exclusive. Default: the newest. */
      end?: string;
      /** Only these, comma-separated. Default: all. */
      metrics?: string;
      /** How many readings on a page. */
      limit?: number;
      /** Of the page before; the rest of the query as it was. */
      cursor?: string;
      /** `asc`: oldest first; `desc`: newest first. */
      order?: "asc" | "desc";
      /** Timestamps as integers in this unit, rounded down. */
      epoch?: "ns" | "us" | "ms" | "s";
    };
    answer: {
      data: ReadingOut[];
      cursor: string | null;
    };
  };
  /** That it runs, and which version. */
  "GET /api/v1/health": {
    answer: {
      status: string;
      version: string;
    };
  };
  /** What ingest received and where each entry is now, by source and in all. */
  "GET /api/v1/ingest/books": {
    answer: {
      sources: Source[];
      total: Counters;
    };
  };
  /** How long readings took, by stage and source: of the last minute before the source told it. */
  "GET /api/v1/ingest/stages": {
    answer: {
      sources: StagesOfSource[];
    };
  };
  /** All items of the caller, or a page of them. */
  "GET /api/v1/items": {
    query?: {
      /** Which page, from 1. */
      page?: number;
      /** How many on a page. */
      per_page?: number;
      /** Only items with this status; empty: with any. */
      status?: "pending" | "active" | "completed" | "";
    };
    answer: Item[] | ItemsPage;
  };
  /** One item. */
  "GET /api/v1/items/{item_id}": {
    path: { item_id: string | number };
    answer: Item;
  };
  /** Each device's last values and today's figures, in one small answer: about 2 KB for five devices. */
  "GET /api/v1/mobile/summary": {
    query?: {
      /** Whose today: an IANA name. Default: UTC. */
      timezone?: string;
      /** Only these, comma-separated. Default: all. */
      devices?: string;
      /** Which page, from 1. */
      page?: number;
      /** How many devices on a page. */
      per_page?: number;
    };
    answer: {
      /** Today, in that time zone. */
      date: string;
      devices: DeviceToday[];
      /** How many devices there are on all pages. */
      total: number;
    };
  };
  /** All orders of the caller with their lines, or a page of them. */
  "GET /api/v1/orders": {
    query?: {
      /** Which page, from 1. */
      page?: number;
      /** How many on a page. */
      per_page?: number;
      /** Only orders with this status; empty: with any. */
      status?: string;
      /** Only the order with this number. */
      internal_number?: string;
      /** Only orders whose number contains this, in any case. */
      q?: string;
    };
    answer: Order[] | OrdersPage;
  };
  /** One order with its lines. */
  "GET /api/v1/orders/{order_id}": {
    path: { order_id: string | number };
    answer: Order;
  };
  /** All profiles, or a page of them: first the built-in ones, then the others by name. */
  "GET /api/v1/profiles": {
    query?: {
      /** Which page, from 1. */
      page?: number;
      /** How many on a page. */
      per_page?: number;
    };
    answer: Profile[] | ProfilesPage;
  };
  /** One profile. */
  "GET /api/v1/profiles/{name}": {
    path: { name: string | number };
    answer: Profile;
  };
  /** Download readings of any number: device by device, each from its oldest to its newest. */
  "GET /api/v1/readings/export": {
    query?: {
      /** Of these devices, comma-separated; `*`: of all that are yours. */
      devices?: string;
      /** Only these, comma-separated. Default: all. */
      metrics?: string;
      /** From here, inclusive. Default: the oldest. */
      start?: string;
      /** Up to here, exclusive. Default: the newest. */
      end?: string;
      /** `parquet` needs the extra telemetrio[parquet] on the server. */
      format?: "csv" | "ndjson" | "parquet";
      /** Of CSV: `wide`, a column for each metric, or `long`, a row for each. Default: `wide`. */
      shape?: "wide" | "long";
      /** Times as integers in this unit, rounded down. */
      epoch?: "ns" | "us" | "ms" | "s";
    };
    answer: Response;
  };
  /** The newest value of every metric of many devices. It reads one row per device, and never history. */
  "GET /api/v1/readings/latest": {
    query?: {
      /** Ids, comma-separated, at most 1,000; `*`: all. */
      devices?: string;
      /** Only these, comma-separated. Default: all. */
      metrics?: string;
      /** Timestamps as integers in this unit, rounded down. */
      epoch?: "ns" | "us" | "ms" | "s";
    };
    answer: {
      data: ReadingOut[];
      unknown: string[];
    };
  };
  /** All users, a page at a time. */
  "GET /api/v1/users": {
    query?: {
      /** Which page, from 1. */
      page?: number;
      /** How many on a page. */
      per_page?: number;
      /** Part of the name or the address. */
      q?: string;
      role?: "admin" | "user";
      disabled?: boolean;
    };
    answer: {
      data: User[];
      total: number;
      page: number;
      per_page: number;
    };
  };
  /** One user. */
  "GET /api/v1/users/{user_id}": {
    path: { user_id: string | number };
    answer: User;
  };
  /** Figures, windows, distribution and change of each metric, compared if asked; of a knee its motion. */
  "GET /api/v1/web/analytics": {
    query?: {
      /** Which devices, comma-separated: 1 to 20. Required. */
      devices?: string;
      /** Only these, comma-separated. Default: every number. */
      metrics?: string;
      /** From here, inclusive. Default: 24 hours before `end`. */
      start?: string;
      /** Up to here, exclusive. Default: now. */
      end?: string;
      /** How long a window is: s, m, h, d, w, mo, y. Default: no windows. */
      every?: string;
      /** Where days begin: an IANA name. Default: UTC. */
      timezone?: string;
      /** How many bins a histogram has. */
      bins?: number;
      /** Of a knee: what the magnitude must rise and fall by in a repetition. In the unit of x, y, z; default: a third of its range. */
      prominence?: number;
      /** `devices`: the others with the first one. `previous`: with the same time before. A time: with a range as long that begins there. */
      compare?: "devices" | "previous" | string;
    };
    answer: {
      start: string;
      end: string;
      timezone: string;
      /** How many were read for this answer. */
      points: number;
      /** Devices that are not there, or somebody else's. */
      unknown: string[];
      devices: DeviceOut[];
      comparison: DevicesCompared | PeriodsCompared | null;
    };
  };
  /** That the event loop turns. */
  "GET /healthz": {
    answer: {
      status: string;
    };
  };
  /** Each dependency by name, with its state and since when; 503 while a needed one is down. */
  "GET /readyz": {
    answer: {
      ready: boolean;
      dependencies: Record<string, Dependency>;
    };
  };
  /** Change what is given, keep the rest. Only administrators give a device to somebody else. */
  "PATCH /api/v1/devices/{device_id}": {
    path: { device_id: string | number };
    body: {
      name?: string;
      /** What it sends from now on is judged by it; older readings stay. */
      profile?: string;
      disabled?: boolean;
      /** Gives it to somebody else (for administrators): credentials end, older readings stay. */
      user_id?: number;
    };
    answer: Device;
  };
  /** Change what is given (admin). With another `measurement` new readings go there; older ones are read as before. */
  "PATCH /api/v1/profiles/{name}": {
    path: { name: string | number };
    body: {
      /** May be sent back as it was read; it can't be changed. */
      name?: string | null;
      /** Where readings go from now on; the older ones stay and are read. */
      measurement?: string;
      metrics?: Record<string, Metric>;
      open?: boolean;
    };
    answer: Profile;
  };
  /** Change name, address, role or whether the user is disabled. */
  "PATCH /api/v1/users/{user_id}": {
    path: { user_id: string | number };
    body: {
      name?: string;
      email?: string;
      role?: "admin" | "user";
      /** true: ends every session and stops every key, at once. */
      disabled?: boolean;
    };
    answer: User;
  };
  /** Add a device, or name one that registered itself. */
  "POST /api/devices": {
    body: {
      device_id: string;
      name: string;
      /** What it measures: environment, knee, open or your own. */
      profile?: string;
    };
    answer: {
      message: string;
    };
  };
  /** Change what is given of a user, or make the user; both but one's own are for administrators. */
  "POST /api/user/{user_id}": {
    path: { user_id: string | number };
    body: {
      name?: string;
      email?: string | null;
      [key: string]: unknown;
    };
    answer: {
      message: string;
      user: Person;
    };
  };
  /** Make a key that acts for the caller. It is shown in this answer and never again. */
  "POST /api/v1/api-keys": {
    body: {
      /** What it is for. */
      name: string;
      /** `read`: GET and questions (`/readings/query`); `write`: everything that changes something; `live`: tickets for live streams; `admin`: with the rights of an administrator, if its user is one. Each only with the others that it needs. */
      scopes: ("read" | "write" | "live" | "admin")[];
      /** Left out: until it is revoked. */
      expires_in_days?: number | null;
    };
    answer: {
      id: string;
      user_id: number;
      name: string;
      /** How it begins. */
      hint: string;
      scopes: ("read" | "write" | "live" | "admin")[];
      created_at: string;
      expires_at: string | null;
      /** To the minute. */
      last_used_at: string | null;
      revoked_at: string | null;
      /** The key itself: it is shown this once. */
      key: string;
    };
  };
  /** Tokens for an address and its password. Unknown addresses, wrong passwords and disabled users look the same. */
  "POST /api/v1/auth/login": {
    body: {
      email: string;
      password: string;
      /** true: the refresh token comes as an HttpOnly cookie, for pages in a browser. false: in the body. */
      cookie?: boolean;
    };
    answer: {
      /** For `Authorization: Bearer …`. */
      access_token: string;
      token_type: "Bearer";
      /** Seconds until the access token must be refreshed. */
      expires_in: number;
      /** null: it is in the cookie. */
      refresh_token: string | null;
      user: User;
    };
  };
  /** End the session of the refresh token (body or cookie) and of the access token, whichever are given. */
  "POST /api/v1/auth/logout": {
    body?: {
      /** Left out: the cookie is meant. */
      refresh_token?: string | null;
    };
    answer: undefined;
  };
  /** Another password. Every other session of this user ends; API keys stay. */
  "POST /api/v1/auth/password": {
    body: {
      current_password: string;
      new_password: string;
    };
    answer: undefined;
  };
  /** New tokens for a refresh token, from the body or the cookie. */
  "POST /api/v1/auth/refresh": {
    body?: {
      /** Left out: the cookie is meant. */
      refresh_token?: string | null;
    };
    answer: {
      /** For `Authorization: Bearer …`. */
      access_token: string;
      token_type: "Bearer";
      /** Seconds until the access token must be refreshed. */
      expires_in: number;
      /** null: it is in the cookie. */
      refresh_token: string | null;
      user: User;
    };
  };
  /** Make oneself an account, where TELEMETRIO_REGISTRATION allows it. Whether the address was taken is not told. */
  "POST /api/v1/auth/register": {
    body: {
      email: string;
      /** Empty: what stands before the @. */
      name?: string;
      password: string;
    };
    answer: {
      message: string;
    };
  };
  /** Give them up for good. */
  "POST /api/v1/dead-letters/discard": {
    body: {
      /** These, and no others. */
      ids?: number[] | null;
      /** All with one of these reasons. */
      code?: string[] | null;
      /** All of these devices. */
      device_id?: string[] | null;
      /** All of this kind. */
      kind?: "message" | "part" | "reading" | "shed" | null;
      /** All that a search for this finds. */
      q?: string | null;
    };
    answer: {
      /** How many letters were found and handed to their workers. */
      commanded: number;
    };
  };
  /** Judge them again, as if they had just been received: after whatever was wrong has been mended. */
  "POST /api/v1/dead-letters/redrive": {
    body: {
      /** These, and no others. */
      ids?: number[] | null;
      /** All with one of these reasons. */
      code?: string[] | null;
      /** All of these devices. */
      device_id?: string[] | null;
      /** All of this kind. */
      kind?: "message" | "part" | "reading" | "shed" | null;
      /** All that a search for this finds. */
      q?: string | null;
    };
    answer: {
      /** How many letters were found and handed to their workers. */
      commanded: number;
    };
  };
  /** Add a device, or name one that registered itself. */
  "POST /api/v1/devices": {
    body: {
      device_id: string;
      name: string;
      /** What it measures: environment, knee, open or your own. */
      profile?: string;
      /** What a disabled device sends is refused. */
      disabled?: boolean;
      /** Whose it is (for administrators); the caller's by default. */
      user_id?: number | null;
    };
    answer: Device;
  };
  /** Add devices, or change those of the caller, from a CSV file; the report tells of each row what became of it. */
  "POST /api/v1/devices/bulk": {
    query?: {
      /** Report what would become of each row, and change nothing. */
      dry_run?: boolean;
    };
    body: Upload<"text/csv">;
    answer: {
      rows: number;
      added: number;
      changed: number;
      unchanged: number;
      refused: number;
      dry_run: boolean;
      report: Reported[];
    };
  };
  /** Make a device that registered itself the caller's. Of two at once one gets it, the other 409. */
  "POST /api/v1/devices/{device_id}/claim": {
    path: { device_id: string | number };
    body?: {
      name?: string;
      profile?: string;
    };
    answer: Device;
  };
  /** Make one. Its password is in this answer and nowhere else; from now on the device must present it. */
  "POST /api/v1/devices/{device_id}/credentials": {
    path: { device_id: string | number };
    body: {
      /** To tell it from others, of this device alone. */
      name: string;
    };
    answer: {
      name: string;
      /** As whom to connect: the device's id, on some brokers with `~` and the name. */
      username: string;
      created_at: string;
      last_used_at: string | null;
      /** Shown this once; only a hash of it is kept. */
      password: string;
    };
  };
  /** Add an item. */
  "POST /api/v1/items": {
    body: {
      name: string;
      description?: string;
      status?: "pending" | "active" | "completed";
      quantity?: number;
    };
    answer: Item;
  };
  /** A ticket for one live stream, which shows what the caller may see. Without a body: for a WebSocket. */
  "POST /api/v1/live/ticket": {
    body?: {
      /** `ws`: for /ws and /socket.io, 30 s; `sse`: for /sse, 15 min. */
      purpose?: "ws" | "sse";
    };
    answer: {
      /** For `?ticket=…`, or Socket.IO's `auth: {ticket}`. */
      ticket: string;
      purpose: "ws" | "sse";
      /** Seconds until it opens nothing any more; an open stream goes on. */
      expires_in: number;
    };
  };
  /** Add an order with its lines: all of it, or nothing. */
  "POST /api/v1/orders": {
    body: {
      /** No two of your orders share it. */
      internal_number: string;
      /** A word of your own. */
      status?: string;
      items?: NewLine[];
    };
    answer: Order;
  };
  /** Add a profile (admin). Devices can have it at once, and ingest judges their messages by it. */
  "POST /api/v1/profiles": {
    body: {
      name: string;
      measurement: string;
      metrics?: Record<string, Metric>;
      open?: boolean;
    };
    answer: Profile;
  };
  /** Take readings of any number from a file, as an export gives it or as devices send them, with their times. */
  "POST /api/v1/readings/import": {
    query?: {
      /** Rows before this one are left out: they are taken already. */
      from_row?: number;
    };
    body: Upload<"text/csv" | "application/x-ndjson">;
    answer: {
      /** How many rows were read. */
      rows: number;
      /** So many are on disk at ingest, and on their way to the store. */
      accepted: number;
      refused: number;
      /** So many of the accepted lack a metric or more. */
      partly: number;
      /** Everything up to this row is on disk or refused. */
      taken: number;
      /** How many problems of each kind there were. */
      codes: Record<string, number>;
      /** The first 1,000 of them. */
      problems: ImportProblem[];
      problems_left_out: number;
    };
  };
  /** Many devices in one call. */
  "POST /api/v1/readings/query": {
    body: {
      /** Their ids, at most 1,000, or `"*"` for all that you may see. */
      devices: string[] | "*";
      /** At most 100. */
      metrics: string[];
      /** From here, inclusive. */
      start: string | number;
      /** Up to here, exclusive. */
      end: string | number;
      /** Windows: `10s`, `5m`, `1h`, `1d`, `1w`, `1mo`, `1y`. */
      every?: string | null;
      /** Of each window (default: the mean), or of the whole range. */
      aggregates?: ("mean" | "min" | "max" | "sum" | "count" | "first" | "last" | "median" | "p95" | "stddev")[] | null;
      /** Whose days, weeks, months and years: an IANA name. */
      timezone?: string;
      /** What stands in empty windows. */
      fill?: "none" | "null" | "previous" | "linear" | "0";
      /** Downsample to so many for each device and metric. */
      max_points?: number | null;
      /** How: `lttb` keeps the shape, `minmax` every peak. */
      downsample?: "lttb" | "minmax";
      /** Of the page before; the rest as it was. */
      cursor?: string | null;
      /** Times as integers in this unit, rounded down. */
      epoch?: "ns" | "us" | "ms" | "s" | null;
    };
    answer: {
      series: SeriesOut[];
      unknown: string[];
      cursor: string | null;
    };
  };
  /** Add a user. */
  "POST /api/v1/users": {
    body: {
      email: string;
      /** Empty: what stands before the @. */
      name?: string;
      role?: "admin" | "user";
      /** Without one nobody can log in as this user yet. */
      password?: string | null;
      /** At the first login. */
      must_change_password?: boolean;
    };
    answer: User;
  };
  /** Change what is given, keep the rest. Only administrators give a device to somebody else. */
  "PUT /api/v1/devices/{device_id}": {
    path: { device_id: string | number };
    body: {
      name?: string;
      /** What it sends from now on is judged by it; older readings stay. */
      profile?: string;
      disabled?: boolean;
      /** Gives it to somebody else (for administrators): credentials end, older readings stay. */
      user_id?: number;
    };
    answer: Device;
  };
  /** Change what is given, keep the rest. */
  "PUT /api/v1/items/{item_id}": {
    path: { item_id: string | number };
    body: {
      name?: string;
      description?: string;
      status?: "pending" | "active" | "completed";
      quantity?: number;
    };
    answer: Item;
  };
  /** Change what is given, keep the rest; `items` replaces all lines. */
  "PUT /api/v1/orders/{order_id}": {
    path: { order_id: string | number };
    body: {
      internal_number?: string;
      status?: string;
      items?: NewLine[];
    };
    answer: Order;
  };
  /** Change what is given (admin). With another `measurement` new readings go there; older ones are read as before. */
  "PUT /api/v1/profiles/{name}": {
    path: { name: string | number };
    body: {
      /** May be sent back as it was read; it can't be changed. */
      name?: string | null;
      /** Where readings go from now on; the older ones stay and are read. */
      measurement?: string;
      metrics?: Record<string, Metric>;
      open?: boolean;
    };
    answer: Profile;
  };
  /** Give a user another password; every session of theirs ends. */
  "PUT /api/v1/users/{user_id}/password": {
    path: { user_id: string | number };
    body: {
      password: string;
      /** At the next login. */
      must_change_password?: boolean;
    };
    answer: undefined;
  };
}
