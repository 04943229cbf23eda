// The access token: in this variable and nowhere else. Replaced before its time is over, by one tab for all.
import type { Tokens as Given, User } from "../api/accounts";
import { Refused } from "../api/http";
import type { Tabs } from "./tabs";

export interface Grant {
  token: string;
  endsAt: number;
  /** Null where it is in the cookie, which no script can read. */
  refresh: string | null;
  user: User;
}

const EARLY_MS = 20_000;

export class AccessTokens {
  private held: Grant | null = null;
  private asking: Promise<Grant | null> | null = null;
  /** Somebody logs out, here or in another tab: what is refused from now on is no session that ended by itself. */
  private leaving = false;

  /** `refresh`: asks the API; `changed`: hears of each new grant, and of the end (null), whether by logging out. */
  constructor(
    private readonly refresh: (refreshToken: string | null) => Promise<Given>,
    private readonly tabs: Tabs,
    private readonly changed: (grant: Grant | null, left: boolean) => void,
    private readonly now: () => number = Date.now,
  ) {
    tabs.hear((said) => {
      if (said.kind === "granted") this.take(said.grant);
      else if (said.kind === "leaving") this.leaving = said.so;
      else this.take(null, true);
    });
  }

  async token(): Promise<string | null> {
    if (this.held === null) return null;
    if (this.now() < this.held.endsAt - EARLY_MS) return this.held.token;
    return this.renewed(this.held.token);
  }

  /** Another one in place of this one; whoever asks meanwhile waits for the same. Null: the session has ended. */
  async renewed(refused: string | null): Promise<string | null> {
    this.asking ??= this.tabs.alone(() => this.replace(refused)).finally(() => (this.asking = null));
    return (await this.asking)?.token ?? null;
  }

  /** After a login: for every tab. */
  grant(given: Given): void {
    this.take(this.read(given));
    this.tell();
  }

  /** Logged out by `logOut`, here and in every tab; where that fails nobody is, and the error is the caller's. */
  async leave(logOut: () => Promise<void>): Promise<void> {
    this.setLeaving(true); // the server's word of the end may be faster than its answer
    try {
      await logOut();
    } catch (error) {
      this.setLeaving(false);
      throw error;
    }
    this.tabs.say({ kind: "left" });
    this.take(null, true);
  }

  private setLeaving(so: boolean): void {
    this.leaving = so;
    this.tabs.say({ kind: "leaving", so });
  }

  private async replace(refused: string | null): Promise<Grant | null> {
    if (this.held !== null && this.held.token !== refused) return this.held; // another tab was first
    try {
      this.take(this.read(await this.refresh(this.held?.refresh ?? null)));
      this.tell();
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      this.take(null, this.leaving);
    }
    return this.held;
  }

  private read(given: Given): Grant {
    const { access_token: token, expires_in, refresh_token: refresh, user } = given;
    return { token, endsAt: this.now() + expires_in * 1000, refresh, user };
  }

  private take(grant: Grant | null, left = false): void {
    this.held = grant;
    this.changed(grant, left);
  }

  private tell(): void {
    if (this.held !== null) this.tabs.say({ kind: "granted", grant: this.held });
  }
}
