// One token for all tabs: replaced in time, by one of them, and gone in all at once.
import { expect, test } from "vitest";
import type { Tokens } from "../src/api/accounts";
import { Refused, Unreachable } from "../src/api/http";
import type { Said, Tabs } from "../src/state/tabs";
import { AccessTokens } from "../src/state/tokens";
import type { Grant } from "../src/state/tokens";

const USER = { id: 7, name: "Ann", email: "ann@example.org", role: "user", disabled: false, must_change_password: false, can_log_in: true, created_at: "" } as const;

/** A browser: its tabs hear each other, and one at a time does what is done alone. */
class Browser {
  private readonly listeners: { tab: number; listener: (said: Said) => void }[] = [];
  private queue: Promise<unknown> = Promise.resolve();
  private tabs = 0;
  now = 0;
  asked = 0;
  answer: () => Promise<Tokens> = async () => given(`token ${this.asked}`);

  /** `seen`: the grants that its page heard of; `left`: of each end, whether by logging out. */
  tab(): { tokens: AccessTokens; seen: (Grant | null)[]; left: boolean[] } {
    const own = (this.tabs += 1);
    const tabs: Tabs = {
      say: (said) => this.listeners.filter(({ tab }) => tab !== own).forEach(({ listener }) => listener(said)),
      hear: (listener) => this.listeners.push({ tab: own, listener }),
      alone: (work) => {
        const mine = this.queue.then(work);
        this.queue = mine.catch(() => undefined);
        return mine;
      },
    };
    const seen: (Grant | null)[] = [];
    const left: boolean[] = [];
    const changed = (grant: Grant | null, byLeaving: boolean): void => {
      seen.push(grant);
      if (grant === null) left.push(byLeaving);
    };
    const refresh = (): Promise<Tokens> => {
      this.asked += 1;
      return this.answer();
    };
    return { tokens: new AccessTokens(refresh, tabs, changed, () => this.now), seen, left };
  }
}

function given(access_token: string): Tokens {
  return { access_token, token_type: "Bearer", expires_in: 900, refresh_token: null, user: USER };
}

test("a token is used until shortly before its time is over", async () => {
  const browser = new Browser();
  const { tokens } = browser.tab();
  tokens.grant(given("first"));
  browser.now = 870_000;
  expect(await tokens.token()).toBe("first");
  browser.now = 885_000;
  expect(await tokens.token()).toBe("token 1");
});

test("many requests that are refused at once ask for one new token", async () => {
  const browser = new Browser();
  const { tokens } = browser.tab();
  tokens.grant(given("first"));
  expect(await Promise.all([1, 2, 3].map(() => tokens.renewed("first")))).toEqual(["token 1", "token 1", "token 1"]);
  expect(browser.asked).toBe(1);
});

test("of two tabs that need a new token one asks for both", async () => {
  const browser = new Browser();
  const [one, two] = [browser.tab(), browser.tab()];
  one.tokens.grant(given("first"));
  expect(await Promise.all([one.tokens.renewed("first"), two.tokens.renewed("first")])).toEqual(["token 1", "token 1"]);
  expect(browser.asked).toBe(1);
});

test("a session that has ended is told, a server that is away is not taken for one", async () => {
  const browser = new Browser();
  const { tokens, seen } = browser.tab();
  tokens.grant(given("first"));
  browser.answer = () => Promise.reject(new Unreachable("away"));
  await expect(tokens.renewed("first")).rejects.toThrow(Unreachable);
  expect(await tokens.token()).toBe("first");
  browser.answer = () => Promise.reject(new Refused(401, "session_ended", "ended", []));
  expect(await tokens.renewed("first")).toBeNull();
  expect(await tokens.token()).toBeNull();
  expect(seen.at(-1)).toBeNull();
});

test("whoever logs out is out in every tab", async () => {
  const browser = new Browser();
  const [one, two] = [browser.tab(), browser.tab()];
  one.tokens.grant(given("first"));
  expect(await two.tokens.token()).toBe("first");
  await two.tokens.leave(async () => undefined);
  expect(await one.tokens.token()).toBeNull();
  expect(one.seen.at(-1)).toBeNull();
});

test("a tab that the server tells first knows that somebody logs out", async () => {
  const browser = new Browser();
  const [one, two] = [browser.tab(), browser.tab()];
  one.tokens.grant(given("first"));
  browser.answer = () => Promise.reject(new Refused(401, "session_ended", "ended", []));
  await two.tokens.leave(async () => void (await one.tokens.renewed("first")));
  expect(one.left).toEqual([true, true]);
});

test("whoever could not be logged out is in, and hears of the session's end as such", async () => {
  const browser = new Browser();
  const [one, two] = [browser.tab(), browser.tab()];
  one.tokens.grant(given("first"));
  await expect(two.tokens.leave(() => Promise.reject(new Unreachable("away")))).rejects.toThrow(Unreachable);
  expect(await one.tokens.token()).toBe("first");
  browser.answer = () => Promise.reject(new Refused(401, "session_ended", "ended", []));
  await one.tokens.renewed("first");
  expect(one.left).toEqual([false]);
});
