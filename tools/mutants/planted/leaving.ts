import type { Mutant } from "../mutant.ts";

/** Bugs of hosts that leave in order. */
export const leavingMutants: readonly Mutant[] = [
  {
    id: "starts-while-it-leaves",
    rule: "S9",
    what: "A host whose last word is on its way starts what was placed there meanwhile.",
    near: ["host-reboots", "slow-link"],
    file: "src/agent/reconcile.ts",
    find: " || isGoingDown(view, building.state.self);",
    replace: " || (isGoingDown(view, building.state.self) && view.vms.size === 0);",
  },
];
