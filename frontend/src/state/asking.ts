// A question to the API whose newest answer counts: what was asked before is overtaken.
import { ref, shallowRef } from "vue";
import type { ShallowRef } from "vue";

export function useAsking<T>(question: () => Promise<T>) {
  const answer: ShallowRef<T | null> = shallowRef(null);
  const problem = ref("");
  let asked = 0;

  /** The last answer stays in sight until the next one is there. */
  async function ask(): Promise<void> {
    asked += 1;
    const mine = asked;
    try {
      const found = await question();
      if (mine !== asked) return;
      answer.value = found;
      problem.value = "";
    } catch (error) {
      if (mine === asked) problem.value = error instanceof Error ? error.message : String(error);
    }
  }
  return { answer, problem, ask };
}
