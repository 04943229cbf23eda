// What the server says of readings, as the typed client has it from the server's own schema.
import type { Reading, StatusEvent } from "@telemetrio/client";

export type LiveReading = Reading;
export type Values = Reading["values"];
export type Value = Values[string];
export type StatusChange = StatusEvent;
