// The one place where text from the server becomes a message.
import type { ServerMessage } from "./generated/messages.js";

const TYPES = new Set<unknown>([
  "welcome",
  "subscribed",
  "snapshot",
  "history",
  "caught_up",
  "readings",
  "status",
  "gap",
  "heartbeat",
  "pong",
  "error",
] satisfies ServerMessage["type"][]);

/** A message, or null for text that is none: a newer server may say more than this client understands. */
export function parseMessage(text: unknown): ServerMessage | null {
  if (typeof text !== "string") return null;
  let seen: unknown;
  try {
    seen = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof seen !== "object" || seen === null) return null;
  const { type, readings } = seen as { type?: unknown; readings?: unknown };
  if (!TYPES.has(type)) return null;
  const carriesReadings = type === "snapshot" || type === "history" || type === "readings";
  return carriesReadings && !Array.isArray(readings) ? null : (seen as ServerMessage);
}
