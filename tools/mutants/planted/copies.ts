import type { Mutant } from "../mutant.ts";

/** Bugs of those who copy disks, take copies over and give them up: agents and manager. */
export const copyMutants: readonly Mutant[] = [
  {
    id: "goes-on-alone-unrecorded",
    rule: "S16",
    what: "An agent lets a guest go on without its copy as soon as a write has waited, and records it afterwards.",
    file: "src/agent/mirroring.ts",
    find: 'mustLeave)) record(building, here, "silent");',
    replace: 'mustLeave)) step(building, "go-on-alone", mirror);',
  },
  {
    id: "stale-copy-promoted",
    rule: "S17",
    what: "A copy that was left behind counts as one from which nothing is missing.",
    file: "src/core/replication-usable.ts",
    find: '      return { kind: "lossy", code: "replica-stale", since: state.at };',
    replace: '      return { kind: "whole" };',
  },
  {
    id: "copy-of-an-earlier-run-promoted",
    rule: "S18",
    what: "A copy that was in sync with an earlier run is promoted, without what was written since.",
    file: "src/core/replication-usable.ts",
    find: 'if (record.value.epoch === owner?.epoch) return { kind: "whole" };',
    replace: 'if (record.value.epoch <= (owner?.epoch ?? 0)) return { kind: "whole" };',
  },
  {
    id: "started-while-its-disks-are-received",
    rule: "S19",
    what: "A host starts a VM from copies without closing them to whoever wrote them before.",
    file: "src/agent/reconcile.ts",
    find: "  if (liesOn(view, vm) !== undefined && !hasCeased(building, run)) return;\n",
    replace: "",
  },
  {
    id: "received-over-a-run-that-is-there",
    rule: "S19",
    what: "A host that comes back opens its disks for the new owner's writes while its own old copy still has them open.",
    file: "src/agent/receiving.ts",
    find: "if (run === undefined || isHere(building, vm) || ",
    replace: "if (run === undefined || ",
  },
  {
    id: "place-changed-without-its-copies",
    rule: "S17",
    what: "The manager gives a VM another place and says nothing of the copies that it takes, or leaves behind.",
    file: "src/core/decide-starts.ts",
    find: "  return promoteCopies(view, vm.id, on, { at: known.wall });",
    replace: "  return known.wall < 0 ? promoteCopies(view, vm.id, on, { at: known.wall }) : noCopies;",
  },
  {
    id: "in-sync-while-it-copies",
    rule: "S17",
    what: "An agent records a copy as in sync as soon as it is reached again, before what it missed is copied.",
    file: "src/agent/mirroring.ts",
    find: "  else if (mirror.confirmed) recordInSync(building, here, mirror);",
    replace: "  else if (mirror.told !== null) recordInSync(building, here, mirror);",
  },
  {
    id: "disks-anywhere",
    rule: "S17",
    what: "A VM whose disks lie with one host alone is placed on any.",
    file: "src/core/placement/local-volumes.ts",
    find: "  if (lies === host || copies.includes(host)) return undefined;",
    replace: "  if (lies !== undefined) return undefined;",
  },
];
