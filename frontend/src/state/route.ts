// Addresses of devices, and the device one comes back from: its card gets the focus again.
import { ref } from "vue";

export function hashOf(deviceId: string): string {
  return `#/devices/${encodeURIComponent(deviceId)}`;
}

/** The device whose page was left last; whoever gives its card the focus takes it from here. */
export const cameFrom = ref<string | null>(null);
