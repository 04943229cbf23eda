// Something that the reader asked for, with a form or a button: whether it runs, and what the API said if it failed.
import { computed, ref, shallowRef } from "vue";
import { Refused } from "../api/http";
import type { FieldError } from "../api/http";

/** `fields`: those a form shows, each with its own error. `problem` is what is said of anything else. */
export function useTask(...fields: string[]) {
  const busy = ref(false);
  const said = ref("");
  const details = shallowRef<readonly FieldError[]>([]);

  const errorOf = (field: string): string => details.value.find((detail) => leaf(detail.field) === field)?.message ?? "";
  const problem = computed(() => {
    const others = details.value.filter(({ field }) => !fields.includes(leaf(field)));
    if (others.length === details.value.length) return said.value;
    return others.map(({ field, message }) => `${leaf(field)}: ${message}`).join("; ");
  });

  /** Whether it worked; once at a time. */
  async function run(work: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false;
    busy.value = true;
    said.value = "";
    details.value = [];
    try {
      await work();
      return true;
    } catch (error) {
      said.value = error instanceof Error ? error.message : String(error);
      if (error instanceof Refused) details.value = error.details;
      return false;
    } finally {
      busy.value = false;
    }
  }
  return { busy, problem, errorOf, run };
}

/** The API names a field by its whole path. */
function leaf(field: string): string {
  return field.split(".").at(-1) ?? field;
}
