import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { host, incarnation, move, Records, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import { defaultPolicy } from "../model/policy.ts";
import { moveTurns } from "./move-turns.ts";

const live = {
  asked: { kind: "asked" },
  waiting: {
    kind: "waiting",
    incarnation: incarnation(1),
    doors: [] as { address: string; port: number }[],
    tls: true,
  },
  switched: { kind: "switched", incarnation: incarnation(1) },
} satisfies Record<string, VmMove["live"]>;
type Stage = keyof typeof live;

/** Moves such as `a h1 h2 waiting`, in the order in which they were recorded. */
function turns(max: number, ...moves: readonly string[]): Record<string, number> {
  const records = new Records().put(keys.policy, { ...defaultPolicy, movesPerHostMax: max });
  for (const text of moves) {
    const [name = "", from = "", to = "", stage = "asked"] = text.split(" ");
    records.put(keys.vmMove(vmId(name)), move(name, from, to, { live: live[stage as Stage] }));
  }
  return Object.fromEntries([...moveTurns(records.view)].map(([vm, turn]) => [vm.slice(3), turn]));
}

describe("turns of live moves", () => {
  test("as many as the policy has it, for the source and for the target; the others queue", () => {
    const all = ["a h1 h2", "b h1 h3", "c h1 h2", "d h1 h3", "e h4 h2", "f h4 h5"];
    expect(turns(2, ...all)).toEqual({ a: 0, b: 0, c: 1, d: 2, e: 0, f: 0 });
    expect(turns(1, ...all)).toEqual({ a: 0, b: 1, c: 2, d: 3, e: 3, f: 0 });
  });

  test("leaving and coming count together, and what has begun comes before what was asked for earlier", () => {
    expect(turns(1, "a h1 h2", "b h2 h3 waiting")).toEqual({ a: 1, b: 0 });
    expect(turns(1, "a h1 h2 waiting", "b h2 h3 switched")).toEqual({ a: 1, b: 0 });
  });

  test("one that has failed takes no turn; one that changed hands does until its source has quit", () => {
    const records = new Records().put(keys.policy, { ...defaultPolicy, movesPerHostMax: 1 });
    const answer: VmMove["answer"] = { kind: "failed", code: "move-cancelled", params: {} };
    records.put(keys.vmMove(vmId("a")), move("a", "h1", "h2", { live: live.waiting, answer }));
    records.put(keys.vmMove(vmId("b")), move("b", "h1", "h2", { live: live.asked }));
    expect([...moveTurns(records.view)]).toEqual([[vmId("b"), 0]]);
    records.put(keys.vmMove(vmId("c")), move("c", "h1", "h2", { live: live.switched, answer }));
    expect(moveTurns(records.view).get(vmId("b"))).toBe(1);
  });

  test("no host is in more than its number, and somebody always has a turn", () => {
    const one = fc
      .tuple(
        fc.constantFrom("h1", "h2", "h3", "h4"),
        fc.constantFrom(1, 2, 3),
        fc.constantFrom<Stage>("asked", "waiting"),
      )
      .map(([from, step, stage]) => ({ from, to: `h${((Number(from.slice(1)) + step - 1) % 4) + 1}`, stage }));
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 12 }), fc.constantFrom(1, 2, 3), (moves, max) => {
        const found = turns(max, ...moves.map(({ from, to, stage }, i) => `v${i} ${from} ${to} ${stage}`));
        const begun = moves.filter((_, i) => found[`v${i}`] === 0);
        for (const name of ["h1", "h2", "h3", "h4"])
          expect(begun.filter(({ from, to }) => from === host(name) || to === host(name)).length).toBeLessThanOrEqual(
            max,
          );
        const first = moves.findIndex(({ stage }) => stage === "waiting");
        expect(found[`v${Math.max(0, first)}`]).toBe(0);
      }),
    );
  });
});
