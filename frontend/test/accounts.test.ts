// Whose a device is, as far as whoever looks may know.
import { afterEach, expect, test, vi } from "vitest";
import { ownerName } from "../src/api/accounts";

const answers = (body: unknown, status = 200): void => void vi.stubGlobal("fetch", async () => Response.json(body, { status }));

afterEach(() => vi.unstubAllGlobals());

test("an owner is told by name, to whom may not ask it is oneself, and an outage makes nobody the owner", async () => {
  answers({ name: "Ann", email: "ann@example.org" });
  expect(await ownerName(7)).toBe("Ann");
  answers({ name: "", email: "ann@example.org" });
  expect(await ownerName(7)).toBe("ann@example.org");
  answers({ code: "forbidden", message: "Only administrators" }, 403);
  expect(await ownerName(7)).toBe("you");
  answers({ code: "unavailable", message: "Away" }, 503);
  expect(await ownerName(7)).toBe("user 7");
});
