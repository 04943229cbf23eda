// A question to the API whose newest answer counts: what was asked before is overtaken, and an outage is waited for.
import { onScopeDispose, ref, shallowRef } from "vue";
import type { ShallowRef } from "vue";
import { comeBackMs } from "../api/http";

const RETRY_MS = 2_000;

export function useAsking<T>(question: () => Promise<T>) {
  const answer: ShallowRef<T | null> = shallowRef(null);
  const problem = ref("");
  let asked = 0;
  let again: ReturnType<typeof setTimeout> | undefined;

  /** The last answer stays in sight until the next one is there. */
  async function ask(): Promise<void> {
    clearTimeout(again);
    asked += 1;
    const mine = asked;
    try {
      const found = await question();
      if (mine !== asked) return;
      answer.value = found;
      problem.value = "";
    } catch (error) {
      if (mine !== asked) return;
      problem.value = error instanceof Error ? error.message : String(error);
      const waitMs = comeBackMs(error, RETRY_MS);
      if (waitMs !== null) again = setTimeout(() => void ask(), waitMs);
    }
  }

  onScopeDispose(() => {
    clearTimeout(again);
    asked += 1;
  });
  return { answer, problem, ask };
}
