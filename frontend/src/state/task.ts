// Something that the reader asked for: whether it runs, and what became of it if it failed.
import { ref, shallowRef } from "vue";
import { Refused } from "../api/http";
import type { FieldError } from "../api/http";

export function useTask() {
  const busy = ref(false);
  const problem = ref("");
  const details = shallowRef<readonly FieldError[]>([]);

  /** True when it went well; otherwise `problem` says what the server says. */
  async function run(work: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false;
    busy.value = true;
    problem.value = "";
    details.value = [];
    try {
      await work();
      return true;
    } catch (error) {
      problem.value = error instanceof Error ? error.message : String(error);
      if (error instanceof Refused) details.value = error.details;
      return false;
    } finally {
      busy.value = false;
    }
  }

  /** What the server says of one field, named as the server names it. */
  function wrong(field: string): string {
    return details.value.find((detail) => detail.field.split(".").at(-1) === field)?.message ?? "";
  }

  return { busy, problem, details, run, wrong };
}
