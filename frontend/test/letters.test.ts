// Dead letters and files as people look at them: reasons, bytes, rows, and what became of a command.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { concerns } from "../src/figures/attention";
import { formatBytes, hexRows } from "../src/figures/bytes";
import { KNOWN_CODES, reasonOf } from "../src/figures/codes";
import { formatCsv, parseCsv, pickRows } from "../src/figures/csv";
import { formatDelay, Samples } from "../src/figures/percentiles";
import { goneOf } from "../src/state/mending";

test("every code that the protocol names is explained, and no other", () => {
  const protocol = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
  const table = protocol.slice(protocol.indexOf("| code | what was refused |"));
  const rows = table.slice(0, table.indexOf("\n\n")).split("\n").slice(2);
  const codes = rows.flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map((found) => found[1]));
  expect(codes.length).toBeGreaterThan(20);
  expect(new Set(KNOWN_CODES)).toEqual(new Set(codes));
  expect(reasonOf("new_one").title).toBe("new one");
});

test("bytes are rows of sixteen, with what can be read of them beside", () => {
  const rows = hexRows(new TextEncoder().encode('{"temperature": 2\u0000'), 1000);
  expect(rows).toEqual([
    { offset: "000000", hex: "7b 22 74 65 6d 70 65 72  61 74 75 72 65 22 3a 20", text: '{"temperature": ' },
    { offset: "000010", hex: "32 00", text: "2·" },
  ]);
  expect(hexRows(new Uint8Array(100), 20).at(-1)?.text).toBe("····");
  expect([formatBytes(12), formatBytes(2048), formatBytes(3 << 20)]).toEqual(["12 B", "2.0 KiB", "3.0 MiB"]);
});

test("a file is read as a spreadsheet wrote it, and what is written is read again", () => {
  const records = [["device_id", "name"], ["a", 'He said "no", twice'], ["b", "two\nlines"], ["", ""]];
  expect(parseCsv(formatCsv(records))).toEqual(records);
  expect(parseCsv("\uFEFFa,b\n1,2\n\n3,4")).toEqual([["a", "b"], ["1", "2"], [""], ["3", "4"]]);
});

test("the refused rows come with the header, by the numbers of the report", () => {
  expect(pickRows('device_id,name\r\na,"x\ny"\r\nb b,B\r\nc,C\r\n', [3])).toBe("device_id,name\r\nb b,B\r\n");
});

test("what is gone is told by ids where all can be seen, whatever else has come, and else by the total", () => {
  const list = (total: number, ...ids: number[]) => ({ data: ids.map((id) => ({ id })), total });
  const wanted = new Set([1, 2, 3]);
  expect(goneOf(wanted, 3, list(3, 3, 2, 1), 3)).toBe(0);
  expect(goneOf(wanted, 3, list(4, 9, 8, 7, 1), 3)).toBe(2);
  expect(goneOf(wanted, 3, list(0), 3)).toBe(3);
  expect(goneOf(wanted, 5_000, list(4_200, 3), 5_000)).toBe(800);
});

test("the newest minute alone is told, and by its middle and its worst", () => {
  const samples = new Samples();
  samples.add(9_000, 0);
  for (let i = 1; i <= 100; i += 1) samples.add(i, 100_000);
  expect(samples.spread(110_000)).toEqual({ p50: 51, p99: 100, n: 100 });
  expect(samples.spread(300_000)).toBeNull();
  expect([0.44, 34.6, 1240, 12_400].map(formatDelay)).toEqual(["0.4 ms", "35 ms", "1.2 s", "12 s"]);
});

test("the worst concern comes first, and a fleet without any has none", () => {
  const beside = { redriven: 0, messages: 9, metrics_refused: 0, duplicates: 0, overwritten: 0, ignored: 0, status: 0 };
  const books = { received: 9, stored: 3, spooled: 6, dead_lettered: 1, discarded: 0, balanced: false, ...beside };
  const reasons = ["not_json", "empty", "nested"].map((code) => ({ code, letters: 2, devices: 1, newest_at: "" }));
  const found = concerns({ now: 0, devices: [], books, storeStalled: true, reasons });
  expect(found.map(({ key }) => key)).toEqual(["unbalanced", "store", "letters-not_json", "letters-empty", "letters"]);
  expect(concerns({ now: 0, devices: [], books: { ...books, balanced: true }, storeStalled: false, reasons: [] })).toEqual([]);
});
