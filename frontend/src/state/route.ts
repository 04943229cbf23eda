// The address after the #: `#/devices/{device_id}` is one device, anything else the fleet.
import { readonly, ref } from "vue";

const PATTERN = /^#\/devices\/([^/]+)$/;

export function deviceIn(hash: string): string | null {
  const found = PATTERN.exec(hash)?.[1];
  if (found === undefined) return null;
  try {
    return decodeURIComponent(found);
  } catch {
    return null;
  }
}

export function hashOf(deviceId: string): string {
  return `#/devices/${encodeURIComponent(deviceId)}`;
}

const open = ref<string | null>(deviceIn(location.hash));
addEventListener("hashchange", () => {
  open.value = deviceIn(location.hash);
});

export const openDevice = readonly(open);

export function closeDevice(): void {
  history.pushState(null, "", location.pathname + location.search);
  open.value = null;
}
