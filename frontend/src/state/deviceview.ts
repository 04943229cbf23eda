// The view of the devices page, kept in the address: reload, back and a link that is sent to somebody show the same.
import { computed, reactive, watch } from "vue";
import { useRoute, useRouter } from "vue-router";
import { now } from "./clock";
import { devices } from "./fleet";
import { readView, select, writeView } from "./selection";

const SEEN_EVERY_MS = 10_000;

export function useDeviceView() {
  const route = useRoute();
  const router = useRouter();
  const view = reactive(readView(route.query));

  watch(view, () => void router.replace({ path: route.path, query: writeView(view) }));
  watch(
    () => route.query,
    (query) => {
      if (route.name === "devices") Object.assign(view, readView(query));
    },
  );

  /** "Last seen" is sorted anew every ten seconds only: rows that jump cannot be read. */
  const seenClock = computed(() => (view.sort.endsWith("last_seen") ? Math.floor(now.value / SEEN_EVERY_MS) : 0));
  const selected = computed(() => {
    void seenClock.value;
    return select(devices.value, view);
  });
  return { view, selected };
}
