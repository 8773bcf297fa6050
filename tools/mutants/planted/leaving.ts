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
  {
    id: "taken-back-order-goes-on",
    rule: "HM4",
    what: "A host answers that it stays, and goes down all the same once it is empty.",
    file: "src/agent/leaving.ts",
    find: 'mode.value.mode !== "active";\n  const active',
    replace: 'mode.value.mode === "active";\n  const active',
  },
];
