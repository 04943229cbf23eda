// What the tabs of one browser say to each other, and how one of them does a thing alone.
import type { Grant } from "./tokens";

export type Said = { kind: "granted"; grant: Grant } | { kind: "leaving"; so: boolean } | { kind: "left" };

export interface Tabs {
  say(said: Said): void;
  hear(listener: (said: Said) => void): void;
  /** One tab at a time. Without Web Locks (a page over plain http) at once: the API bears two for ten seconds. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

const NAME = "telemetrio.session";

export function openTabs(): Tabs {
  const channel = new BroadcastChannel(NAME);
  const locks = navigator.locks as LockManager | undefined;
  return {
    say: (said) => channel.postMessage(said),
    hear: (listener) => channel.addEventListener("message", (event: MessageEvent<Said>) => listener(event.data)),
    // the type of `request` wants an awaited result
    alone: async <T>(work: () => Promise<T>) => (locks === undefined ? work() : ((await locks.request(NAME, work)) as T)),
  };
}
