// Passwords for one login: in groups, and without letters that are taken for others.
import { expect, test } from "vitest";
import { oneTimePassword } from "../src/figures/passwords";

test("sixteen letters in four groups, never twice the same", () => {
  const made = oneTimePassword();
  expect(made).toMatch(/^[a-hjkmnp-z2-9]{4}(-[a-hjkmnp-z2-9]{4}){3}$/);
  expect(oneTimePassword()).not.toBe(made);
});

test("bytes that would make some letters likelier are thrown again", () => {
  const thrown = [255, 0];
  const made = oneTimePassword((bytes) => bytes.fill(thrown.shift() ?? 1));
  expect(made).toBe("aaaa-aaaa-aaaa-aaaa");
});
