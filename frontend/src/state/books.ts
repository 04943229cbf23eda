// Ingest's books, asked for every two seconds while somebody looks who may.
import { computed, ref, shallowRef } from "vue";
import { readTotals } from "../api/ingest";
import type { BookTotals } from "../api/ingest";
import { askAgain } from "./feed";
import { useSession } from "./session";

const EVERY_MS = 2_000;

export const books = shallowRef<BookTotals | null>(null);
/** The same, per second since the reading before; null until there are two. */
export const pace = shallowRef<Pace | null>(null);
/** Entries wait, and the store takes none of them. */
export const storeStalled = ref(false);
/** They are an administrator's business: nobody else is told. */
export const booksDenied = computed(() => !useSession().isAdmin);

export type Pace = Record<"received" | "stored" | "dead_lettered" | "discarded", number>;

/** Twice in a row: a reading that came just before is no outage. */
const STALLED = 2;
let stalled = 0;
let readAt = 0;

/** So little on its way to the store is no backlog. */
const A_MOMENTS_WORTH = 1_000;

/** Notices an outage of the store, and its end: then what it has caught up with is read again. */
function watchStore(before: BookTotals | null, now: BookTotals): void {
  const moved = before === null || now.stored > before.stored;
  if (now.spooled > 0 && !moved) stalled += 1;
  else if (stalled > 0 && moved && now.spooled < A_MOMENTS_WORTH) {
    stalled = 0;
    askAgain();
  }
  storeStalled.value = stalled >= STALLED && !moved;
}

function watchPace(before: BookTotals | null, now: BookTotals, at: number): void {
  const seconds = (at - readAt) / 1000;
  readAt = at;
  if (before === null || seconds <= 0) return;
  const per = (key: keyof Pace): number => Math.max(0, now[key] - before[key]) / seconds;
  pace.value = { received: per("received"), stored: per("stored"), dead_lettered: per("dead_lettered"), discarded: per("discarded") };
}

async function poll(): Promise<void> {
  if (!document.hidden && useSession().isAdmin) {
    try {
      const now = await readTotals();
      watchStore(books.value, now);
      watchPace(books.value, now, performance.now());
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
