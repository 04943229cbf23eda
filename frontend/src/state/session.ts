// Who is logged in, from the first question to the server until the last tab has left.
import { defineStore } from "pinia";
import { computed, ref, shallowRef } from "vue";
import * as api from "../api/accounts";
import type { User } from "../api/accounts";
import { Refused, authorizeBy } from "../api/http";
import { readAbout } from "../api/about";
import type { About } from "../api/about";
import { openTabs } from "./tabs";
import { AccessTokens } from "./tokens";
import type { Grant } from "./tokens";

const RETRY_MS = 2_000;
/** The API marks its cookie Secure: over plain http a browser would drop it, so the token stays in this page. */
const COOKIE = window.isSecureContext;

export const useSession = defineStore("session", () => {
  const about = shallowRef<About | null>(null);
  const user = shallowRef<User | null>(null);
  /** Since when the server has not said who may come in (epoch ms). */
  const awaySince = ref<number | null>(null);
  /** Why one is not let in, or out, in the server's words. */
  const problem = ref("");
  /** The password that was good for one login, until it is changed. */
  const spent = ref("");

  /** False: this server lets everybody in, as its administrator. */
  const required = computed(() => about.value?.auth === "required");
  const mustChange = computed(() => user.value?.must_change_password ?? false);
  const allowed = computed(() => about.value !== null && (!required.value || (user.value !== null && !mustChange.value)));
  const isAdmin = computed(() => allowed.value && (!required.value || user.value?.role === "admin"));

  const tokens = new AccessTokens(api.refreshTokens, openTabs(), changed);
  authorizeBy(tokens);
  let started: Promise<void> | null = null;

  /** Once: whether one must log in here, and whether this browser already is. */
  function start(): Promise<void> {
    started ??= settle();
    return started;
  }

  async function settle(): Promise<void> {
    for (;;) {
      try {
        about.value ??= await readAbout();
        if (required.value) await tokens.renewed(null);
        awaySince.value = null;
        problem.value = "";
        return;
      } catch (error) {
        // the page says so, and this goes on
        problem.value = error instanceof Refused ? error.message : "";
        awaySince.value = error instanceof Refused ? null : (awaySince.value ?? Date.now());
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  function changed(grant: Grant | null, left: boolean): void {
    const before = user.value;
    if (before === null || grant?.user.id === before.id) user.value = grant?.user ?? null;
    else if (grant === null) forget(left);
    else location.reload(); // another tab is somebody else now, and the cookie with it
  }

  async function logIn(email: string, password: string): Promise<void> {
    const given = await api.logIn(email, password, COOKIE);
    spent.value = given.user.must_change_password ? password : "";
    tokens.grant(given);
  }

  async function changePassword(current: string, next: string): Promise<void> {
    await api.changePassword(current, next);
    spent.value = "";
    await tokens.renewed(await tokens.token()); // tells every tab that it is done
  }

  async function logOut(): Promise<void> {
    problem.value = "";
    try {
      await tokens.leave(api.logOut);
    } catch (error) {
      problem.value = `You are still logged in. ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  return { about, user, awaySince, problem, spent, required, mustChange, allowed, isAdmin, start, logIn, logOut, changePassword };
});

/** Nothing of one user may be there for the next: the page begins anew. Who was sent away comes back to where they were. */
function forget(left: boolean): void {
  const way = left ? "" : `&to=${encodeURIComponent(location.hash.slice(1) || "/")}`;
  history.replaceState(null, "", `#/login?why=${left ? "left" : "ended"}${way}`);
  location.reload();
}
