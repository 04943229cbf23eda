// The device that a page is about, by its id in the address.
import { computed, onUnmounted, watch } from "vue";
import type { ComputedRef } from "vue";
import { loaded, refresh } from "./feed";
import { devices, findDevice } from "./fleet";
import type { Device } from "./fleet";

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/** Looks again for one that isn't in the list: it may have spoken for the first time just now. */
export function useDevice(id: () => string): ComputedRef<Device | undefined> {
  const device = computed(() => (devices.value.length > 0 ? findDevice(id()) : undefined));
  let timer: ReturnType<typeof setTimeout> | undefined;
  let left = false;

  function lookIn(ms: number): void {
    clearTimeout(timer);
    if (left || !loaded.value || device.value !== undefined) return;
    timer = setTimeout(() => void refresh().finally(() => lookIn(Math.min(2 * ms, LONGEST_MS))), ms);
  }

  watch([id, device, loaded], () => lookIn(FIRST_MS), { immediate: true });
  onUnmounted(() => {
    left = true;
    clearTimeout(timer);
  });
  return device;
}
