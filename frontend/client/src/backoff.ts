// When to come back: full jitter, so that a thousand clients do not return to a restarted server in the same moment.

export const FIRST_MS = 500;
export const LONGEST_MS = 15_000;
const SHORTEST_MS = 100;

/** Milliseconds to wait before attempt `attempt` (0 = the first one after a loss). */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.max(SHORTEST_MS, Math.round(random() * ceiling));
}
