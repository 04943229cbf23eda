// What outlives the page, in this browser's storage. Never a secret: any script of this origin could read it.

/** Null where there is nothing, and where storage is forbidden. */
export function kept(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Where storage is forbidden, a choice holds until the page is closed. Empty: forget it. */
export function keep(key: string, value: string): void {
  try {
    if (value === "") localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // said above
  }
}
