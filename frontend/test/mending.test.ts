// A command on dead letters, watched to its end.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Unreachable } from "../src/api/http";
import { mend } from "../src/state/mending";

let ids = [1, 2, 3];
let away = false;
const commands: unknown[] = [];

vi.mock("../src/api/letters", () => ({
  listLetters: async () => {
    if (away) throw new Unreachable("away");
    return { data: ids.map((id) => ({ id })), total: ids.length };
  },
  command: async (_action: string, chosen: { ids: number[] }) => {
    commands.push(chosen);
    return chosen.ids.length;
  },
}));

beforeEach(() => {
  vi.useFakeTimers();
  [ids, away] = [[1, 2, 3], false];
  commands.length = 0;
});
afterEach(() => vi.useRealTimers());

test("an outage after the command is no failure of it: what came of it is told when it is over", async () => {
  const told: number[] = [];
  const done = mend("redrive", { ids: [1, 2], device_id: "d" }, ({ gone }) => told.push(gone));
  done.catch(() => undefined);
  await vi.advanceTimersByTimeAsync(100);
  away = true;
  await vi.advanceTimersByTimeAsync(30_000);
  [ids, away] = [[3], false];
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await done).toEqual({ action: "redrive", commanded: 2, gone: 2 });
  expect([commands.length, told.at(-1)]).toEqual([1, 2]);
});

test("an outage before the command is told, and nothing is commanded", async () => {
  away = true;
  await expect(mend("discard", { ids: [1], device_id: "" }, () => undefined)).rejects.toThrow("away");
  expect(commands).toEqual([]);
});

test("where nothing moves any more it ends", async () => {
  const done = mend("redrive", { ids: [1, 2], device_id: "d" }, () => undefined);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await done).toMatchObject({ gone: 0 });
});
