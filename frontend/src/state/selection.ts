// Which devices are shown, and in which order. Order changes rarely on purpose: cards that jump cannot be read.
import { computed, ref } from "vue";
import { now } from "./clock";
import { devices } from "./fleet";
import type { Device } from "./fleet";

export type Filter = "all" | "online" | "offline";
export type SortKey = "name" | "id" | "seen" | "offline";

export const search = ref("");
export const filter = ref<Filter>("all");
export const sortBy = ref<SortKey>("name");

const SEEN_EVERY_S = 10;
/** "Last seen first" is sorted anew every ten seconds. */
const seenClock = computed(() => (sortBy.value === "seen" ? Math.floor(now.value / 1000 / SEEN_EVERY_S) : 0));
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

export const selected = computed(() => {
  void seenClock.value;
  const words = search.value.trim().toLowerCase();
  return devices.value.filter((device) => matches(device, words)).sort(orders[sortBy.value]);
});

function matches({ device_id, next }: Device, words: string): boolean {
  if (filter.value !== "all" && next.online !== (filter.value === "online")) return false;
  return words === "" || device_id.toLowerCase().includes(words) || next.name.toLowerCase().includes(words);
}

type Order = (a: Device, b: Device) => number;
const byId: Order = (a, b) => collator.compare(a.device_id, b.device_id);
const byName: Order = (a, b) => collator.compare(a.next.name, b.next.name) || byId(a, b);
const orders: Record<SortKey, Order> = {
  name: byName,
  id: byId,
  seen: (a, b) => (b.next.lastSeenMs ?? 0) - (a.next.lastSeenMs ?? 0) || byName(a, b),
  offline: (a, b) => Number(a.next.online) - Number(b.next.online) || byName(a, b),
};
