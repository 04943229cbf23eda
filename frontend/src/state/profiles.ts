// The kinds of device that there are: read when first needed, and again after a change.
import { shallowRef } from "vue";
import { listProfiles } from "../api/devices";
import type { Profile } from "../api/devices";

export const profiles = shallowRef<Profile[] | null>(null);

/** Raises what the API says; a list that is there stays. */
export async function loadProfiles(): Promise<void> {
  profiles.value = await listProfiles();
}

/** For a choice that can do without: it then offers only what is there already. */
export async function wantProfiles(): Promise<void> {
  if (profiles.value !== null) return;
  try {
    await loadProfiles();
  } catch {
    // the form still works, and saving says what is wrong with the server
  }
}
