// Numbers, times, names and commands as the page writes them.
import { expect, test } from "vitest";
import { publishLine, simulateLine } from "../src/figures/commands";
import { hueOf, labelOf, numericMetrics, sortMetrics } from "../src/figures/metrics";
import { formatCount, formatRate, formatValue, unitOf } from "../src/figures/numbers";
import { ago, date, readIn } from "../src/figures/times";

test.each([
  ["temperature", 23.5, "23.5"],
  ["temperature", 23, "23.0"],
  ["temperature", -0.04, "0.0"],
  ["temperature", -12.34, "\u221212.3"],
  ["pressure", 1013.2, "1\u202f013.2"],
  ["battery", 3.712, "3.71"],
  ["count", 1234567, "1\u202f234\u202f567"],
  ["tiny", 0.00001, "1.000e\u22125"],
  ["tiny", 0.01234, "0.0123"],
  ["huge", 1e12, "1.000e+12"],
  ["open", true, "on"],
  ["firmware", "2.4.1", "2.4.1"],
])("%s %s is written %s", (metric, value, text) => {
  expect(formatValue(metric, value)).toBe(text);
});

test("counts are grouped, small rates keep one decimal", () => {
  expect(formatCount(999)).toBe("999");
  expect(formatCount(18234)).toBe("18\u202f234");
  expect(formatRate(0.25)).toBe("0.3");
  expect(formatRate(1234.4)).toBe("1\u202f234");
});

test("a device's own unit wins over the usual one", () => {
  expect(unitOf("temperature", {})).toBe("°C");
  expect(unitOf("temperature", { temperature: "K" })).toBe("K");
  expect(unitOf("speed", {})).toBe("");
});

test("the usual three come first, the rest by name", () => {
  expect(sortMetrics(["x", "pressure", "a", "temperature", "humidity"])).toEqual(["temperature", "humidity", "pressure", "a", "x"]);
  expect(numericMetrics({ b: 1, a: "text", temperature: 2, on: true })).toEqual(["temperature", "b"]);
});

test("a metric keeps its colour and never takes one of the usual three", () => {
  expect(hueOf("humidity")).toBe("--hue-1");
  for (const name of ["a", "battery_voltage", "x", "co2"]) expect(hueOf(name)).toMatch(/^--hue-[3-7]$/);
});

test("names become labels, ages become words", () => {
  expect(labelOf("battery_voltage")).toBe("Battery voltage");
  expect([500, 3_000, 125_000, 7_200_000, 3 * 86_400_000].map(ago)).toEqual(["now", "3 s ago", "2 min ago", "2 h ago", "3 days ago"]);
});

test("the command publishes exactly these values, whatever is in them", () => {
  const values = { temperature: 23.5, humidity: 55, pressure: 1013.25 };
  expect(publishLine("test_device", values, 1883, "localhost")).toBe(
    `mosquitto_pub -h 127.0.0.1 -p 1883 -t iot/devices/test_device/data -m '{"temperature": 23.5, "humidity": 55, "pressure": 1013.25}'`,
  );
  expect(publishLine("d", { note: "it's" }, 1884, "[::1]")).toBe(
    String.raw`mosquitto_pub -h ::1 -p 1884 -t iot/devices/d/data -m '{"note": "it'\''s"}'`,
  );
});

test("the command logs in as the answer says, and gives the device's client id to a broker that asks for it", () => {
  const command = (username: string): string => publishLine("d", { a: 1 }, 1883, "h", { username, password: "s3cret" });
  expect(command("d")).toBe(`mosquitto_pub -h h -p 1883 -u d -P s3cret -t iot/devices/d/data -m '{"a": 1}'`);
  expect(command("d~2026")).toBe(`mosquitto_pub -h h -p 1883 -i d -u d~2026 -P s3cret -t iot/devices/d/data -m '{"a": 1}'`);
});

test("the fleet to simulate finds a server on other ports", () => {
  expect(simulateLine(1883, "5000")).toBe("telemetrio simulate --devices 5 --rate 5 --seconds 600");
  expect(simulateLine(1977, "5077")).toBe("telemetrio simulate --devices 5 --rate 5 --seconds 600 --port 5077 --mqtt-port 1977");
});

test("a day is that of the chosen time zone", () => {
  const evening = Date.parse("2026-03-28T23:30:00Z");
  readIn("Europe/Berlin");
  expect(date(evening)).toBe("29 Mar 2026");
  readIn("America/New_York");
  expect(date(evening)).toBe("28 Mar 2026");
  readIn();
});
