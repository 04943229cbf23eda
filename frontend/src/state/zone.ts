// The time zone in which days begin and clocks are read: the browser's, until the reader chooses another one.
import { ref } from "vue";

export const timeZone = ref(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
