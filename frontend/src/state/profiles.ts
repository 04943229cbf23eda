// The kinds of device that there are: read when first needed.
import { shallowRef } from "vue";
import { listProfiles } from "../api/devices";
import type { Profile } from "../api/devices";

export const profiles = shallowRef<Profile[] | null>(null);

/** For a choice that can do without: it then offers only what is there already. */
export async function wantProfiles(): Promise<void> {
  if (profiles.value !== null) return;
  try {
    profiles.value = await listProfiles();
  } catch {
    // the form still works, and saving says what is wrong with the server
  }
}
