import type { Mutant } from "../mutant.ts";

/** Bugs of which host is chosen among those that could take a VM. */
export const placementMutants: readonly Mutant[] = [
  {
    id: "lower-class-counts-as-much",
    rule: "PL2",
    what: "A VM goes to any host that the rules allow, whatever its priority there.",
    file: "src/core/placement/choose.ts",
    find: "    const number = round.book.classOf(asked.vm.id, slot.host) ?? 0;\n",
    replace: "    const number = 0 * (round.book.classOf(asked.vm.id, slot.host) ?? 0);\n",
  },
  {
    id: "apart-forgotten-at-placement",
    rule: "PL2",
    what: "A VM is placed beside another that a rule keeps apart from it.",
    file: "src/core/placement/asked.ts",
    find: "    apart: ruled ? apartFrom(round, vm.id) : nowhere,\n",
    replace: "    apart: ruled && apartFrom(round, vm.id).size < 0 ? apartFrom(round, vm.id) : nowhere,\n",
  },
  {
    id: "together-goes-by-the-score",
    rule: "PL2",
    what: "A VM that belongs together with others goes to the host with the best score.",
    file: "src/core/placement/choose.ts",
    find: "  return best === undefined ? undefined : [best];\n",
    replace: "  return best === undefined || best.order >= 0 ? undefined : [best];\n",
  },
  {
    id: "failed-host-tried-again-at-once",
    rule: "PL3",
    what: "After a start that failed the same host may be chosen again although another was never tried.",
    file: "src/core/placement/choose.ts",
    find: "    const untried = failed ? tier.slots.filter((slot) => !asked.failedOn(slot)) : tier.slots;\n",
    replace: "    const untried = failed ? [...tier.slots] : tier.slots;\n",
  },
];
