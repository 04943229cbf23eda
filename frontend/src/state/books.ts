// Ingest's books, asked for every two seconds while somebody looks.
import { shallowRef } from "vue";
import { readTotals } from "../api/routes";
import type { BookTotals } from "../api/routes";

const EVERY_MS = 2_000;

export const books = shallowRef<BookTotals | null>(null);

async function poll(): Promise<void> {
  if (!document.hidden) {
    try {
      books.value = await readTotals();
    } catch {
      // feed.ts says that the API is away; the last known figures stay, greyed
    }
  }
  setTimeout(() => void poll(), EVERY_MS);
}

export function startBooks(): void {
  void poll();
}
