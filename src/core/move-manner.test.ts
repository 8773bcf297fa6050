import { expect, test } from "vitest";
import { vmMoveSchema } from "../model/move-records.ts";
import { mannerOf } from "./move-manner.ts";

const move = {
  ...{ schema: 1, vm: "vm:db", kind: "migrate", from: "h1", incarnation: 1, epoch: 7, to: "h2", at: 2 },
  reason: { rule: "HM1", code: "ordered", params: {} },
  answer: { kind: "open" },
};

test("a move is called by what happens to the guest, whatever its kind", () => {
  expect(mannerOf(vmMoveSchema.parse(move))).toBe("stop and start");
  expect(mannerOf(vmMoveSchema.parse({ ...move, epoch: null }))).toBe("before it starts");
  expect(mannerOf({ ...vmMoveSchema.parse(move), live: { kind: "asked" } as never })).toBe("live");
});
