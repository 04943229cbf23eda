// What the page of dead letters shows: the choice in the address, the reasons with their counts, one page of letters.
import { computed, onUnmounted, ref, shallowRef, watch } from "vue";
import { useRoute, useRouter } from "vue-router";
import { countLetters, listLetters } from "../api/letters";
import type { Choice, CodeCount, Letter } from "../api/letters";

export const PER_PAGE = 25;
const LOOK_EVERY_MS = 3_000;
const SETTLE_MS = 200;

export function useLetters() {
  const route = useRoute();
  const router = useRouter();
  const text = (name: string): string => (typeof route.query[name] === "string" ? route.query[name] : "");
  const choice = computed<Choice>(() => ({ q: text("q"), code: text("code"), device_id: text("device_id") }));
  const page = computed(() => Math.max(1, Math.trunc(Number(text("page"))) || 1));

  const reasons = shallowRef<CodeCount[] | null>(null);
  const letters = shallowRef<Letter[] | null>(null);
  const total = ref(0);
  /** What the letters and their total were chosen by; the address may be a choice further. */
  const shown = shallowRef<Choice | null>(null);
  const settled = computed(() => JSON.stringify(shown.value) === JSON.stringify(choice.value));
  const problem = ref("");
  /** The list on the screen is no longer the newest; it is not pulled away from under somebody who reads it. */
  const stale = ref(false);
  let asked = 0;

  function choose(change: Partial<Choice> & { page?: number }): void {
    const wanted = { ...choice.value, page: 1, ...change };
    const query = Object.entries(wanted).filter(([name, value]) => value !== "" && !(name === "page" && value === 1));
    void router.replace({ path: route.path, query: Object.fromEntries(query.map(([name, value]) => [name, String(value)])) });
  }

  async function load(): Promise<void> {
    const mine = ++asked;
    const wanted = choice.value;
    try {
      const [counts, found] = await Promise.all([countLetters(wanted.device_id), listLetters(wanted, page.value, PER_PAGE)]);
      if (mine !== asked) return; // somebody has typed on
      reasons.value = counts;
      letters.value = found.data;
      total.value = found.total;
      shown.value = wanted;
      problem.value = "";
      stale.value = false;
      if (found.data.length === 0 && page.value > 1) choose({ page: Math.max(1, Math.ceil(found.total / PER_PAGE)) });
    } catch (error) {
      if (mine === asked) problem.value = error instanceof Error ? error.message : String(error);
    }
  }

  /** `still`: somebody reads a letter, so that the list must not move. */
  async function look(still: boolean): Promise<void> {
    if (document.hidden) return;
    if (problem.value !== "" || letters.value === null) return load();
    try {
      const counts = await countLetters(choice.value.device_id);
      const changed = JSON.stringify(counts) !== JSON.stringify(reasons.value);
      reasons.value = counts;
      if (!changed) return;
      if (still || page.value > 1) stale.value = true;
      else await load();
    } catch {
      // App.vue says that the server is away; asked again soon
    }
  }

  const reading = ref(false);
  const timer = setInterval(() => void look(reading.value), LOOK_EVERY_MS);
  let settling: ReturnType<typeof setTimeout> | undefined;
  watch([choice, page], ([now], [before]) => {
    clearTimeout(settling);
    if (route.name !== "dead-letters") return;
    settling = setTimeout(() => void load(), now.q === before.q ? 0 : SETTLE_MS);
  });
  onUnmounted(() => {
    clearInterval(timer);
    clearTimeout(settling);
  });
  void load();
  return { choice, page, reasons, letters, total, shown, settled, problem, stale, reading, choose, load };
}
