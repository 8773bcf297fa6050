import { expect, test } from "vitest";
import { hasAlone } from "./branch.ts";

const branch = (id: string, on: string, vm = "web", origin: "branch" | "branch-kept" = "branch-kept") => {
  return { vm: { id: `vm:${vm}`, name: vm }, id, host: { id: on, name: on }, origin };
};

test("[S18] of two branches of one VM none claims that nobody else has its writes", () => {
  const [left, before, mail] = [branch("left-9", "h2"), branch("b5-7", "h1"), branch("b2-1", "h1", "mail")];
  const old = branch("b3-2", "h1", "web", "branch");
  const all = [left, before, mail, old];
  expect(all.map((one) => hasAlone(one, all))).toEqual([
    "acknowledged writes that its VM lacks; b5-7 on h1 may have the same",
    "acknowledged writes that its VM lacks; left-9 on h2 may have the same",
    "acknowledged writes that nobody else has",
    "nothing that was ever acknowledged",
  ]);
});
