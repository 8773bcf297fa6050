import { expect, test } from "vitest";
import { guestChecks } from "./guest-check.ts";

const web = { id: "vm:web", name: "web" };
const ids = (executes: boolean, agent: "absent" | "answers" | "silent") =>
  guestChecks(web, { executes, agent }).map(({ id, level }) => `${level} ${id}`);

test("a guest that executes is well, unless an agent is there and says nothing", () => {
  expect(ids(true, "answers")).toEqual([]);
  expect(ids(true, "absent")).toEqual([]);
  expect(ids(true, "silent")).toEqual(["warn guest-agent-silent"]);
  expect(ids(false, "absent")).toEqual(["fail guest-stands-after-move"]);
});
