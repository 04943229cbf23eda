// One form on its way to the API: busy or not, and what the API said, at the field it is about.
import { computed, ref, shallowRef } from "vue";
import { Refused } from "../api/http";
import type { FieldError } from "../api/http";

/** `fields`: those the form shows. What is said of any other stands below it. */
export function useSending(...fields: string[]) {
  const busy = ref(false);
  const said = ref("");
  const details = shallowRef<readonly FieldError[]>([]);

  const errorOf = (field: string): string => details.value.find((detail) => leaf(detail.field) === field)?.message ?? "";
  const problem = computed(() => (details.value.some((detail) => fields.includes(leaf(detail.field))) ? "" : said.value));

  /** Whether it worked; once at a time. */
  async function send(work: () => Promise<unknown>): Promise<boolean> {
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
  return { busy, problem, errorOf, send };
}

/** The API names a field by its whole path. */
function leaf(field: string): string {
  return field.split(".").at(-1) ?? field;
}
