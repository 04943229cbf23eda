// What a form says of what was refused: each field's error at the field, and everything else in one place.
import { expect, test } from "vitest";
import { Refused, Unreachable } from "../src/api/http";
import type { FieldError } from "../src/api/http";
import { useTask } from "../src/state/task";

function detail(field: string, message: string): FieldError {
  return { field, message, code: "invalid" };
}

async function refused(...details: FieldError[]) {
  const task = useTask("name");
  expect(await task.run(() => Promise.reject(new Refused(400, "invalid", "2 fields are wrong", details)))).toBe(false);
  return task;
}

test("an error of a field that is shown stands there alone", async () => {
  const task = await refused(detail("body.name", "too long"));
  expect([task.errorOf("name"), task.problem.value]).toEqual(["too long", ""]);
});

test("of a field that is not shown, nothing is kept from the reader", async () => {
  const task = await refused(detail("name", "too long"), detail("body.metadata", "too deep"));
  expect([task.errorOf("name"), task.problem.value]).toEqual(["too long", "metadata: too deep"]);
  expect((await refused(detail("metadata", "too deep"))).problem.value).toBe("2 fields are wrong");
});

test("what is said of no field is said, until it is tried again", async () => {
  const task = useTask("name");
  await task.run(() => Promise.reject(new Unreachable("away")));
  expect([task.problem.value, task.busy.value]).toEqual(["away", false]);
  expect(await task.run(() => Promise.resolve())).toBe(true);
  expect(task.problem.value).toBe("");
});
