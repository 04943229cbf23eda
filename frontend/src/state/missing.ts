// A page or a dialog whose file can't be fetched: an upgrade has taken it away, or the server is gone.
import { readAbout } from "../api/about";
import { refresh } from "./feed";

/** A server that answers has other files now, which only the page itself names: it begins anew, at `address`. */
export async function beginAnew(address: string): Promise<void> {
  try {
    await readAbout();
  } catch {
    await refresh(); // says that the server is away, until it is back
    return;
  }
  if (location.hash !== `#${address}`) history.pushState(null, "", `#${address}`);
  location.reload();
}
