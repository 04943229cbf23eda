// The time zone in which days begin and clocks are read, for the charts: the reader's setting.
import { computed } from "vue";
import { useSettings } from "./settings";

export const timeZone = computed({
  get: () => useSettings().timeZone,
  set: (zone: string) => {
    useSettings().chosenZone = zone;
  },
});
