// What this browser's user has chosen, kept in this browser: the time zone of every time that is shown.
import { defineStore } from "pinia";
import { computed, ref, watch } from "vue";
import { readIn } from "../figures/times";
import { keep, kept } from "./kept";

const KEY = "telemetrio.time-zone";
const OWN = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function isTimeZone(name: string): boolean {
  try {
    return Boolean(Intl.DateTimeFormat("en", { timeZone: name }));
  } catch {
    return false;
  }
}

export const useSettings = defineStore("settings", () => {
  const remembered = kept(KEY);
  /** Empty: that of the browser. */
  const chosenZone = ref(remembered !== null && isTimeZone(remembered) ? remembered : "");
  const timeZone = computed(() => chosenZone.value || OWN);

  watch(
    chosenZone,
    (chosen) => {
      keep(KEY, chosen);
      readIn(timeZone.value);
    },
    { immediate: true, flush: "sync" },
  );
  return { chosenZone, timeZone, browserZone: OWN };
});
