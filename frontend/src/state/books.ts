// Ingest's books, asked for every two seconds while somebody looks who may.
import { shallowRef } from "vue";
import { readTotals } from "../api/routes";
import type { BookTotals } from "../api/routes";
import { askAgain } from "./feed";
import { useSession } from "./session";

const EVERY_MS = 2_000;

export const books = shallowRef<BookTotals | null>(null);

/** So little on its way to the store is no backlog. */
const A_MOMENTS_WORTH = 1_000;
let stalled = false;

/** Notices an outage of the store, and its end: then what it has caught up with is read again. */
function watchStore(before: BookTotals | null, now: BookTotals): void {
  const moved = before === null || now.stored > before.stored;
  if (now.spooled > 0 && !moved) stalled = true;
  else if (stalled && moved && now.spooled < A_MOMENTS_WORTH) {
    stalled = false;
    askAgain();
  }
}

async function poll(): Promise<void> {
  if (!document.hidden && useSession().isAdmin) {
    try {
      const now = await readTotals();
      watchStore(books.value, now);
      books.value = now;
    } catch {
      // feed.ts says that the API is away; the last known figures stay, greyed
    }
  }
  setTimeout(() => void poll(), EVERY_MS);
}

export function startBooks(): void {
  void poll();
}
