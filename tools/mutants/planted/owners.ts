import type { Mutant } from "../mutant.ts";

const file = "src/core/ownership.ts";

/** Bugs of who owns a VM, as which epoch, and where it goes. */
export const ownerMutants: readonly Mutant[] = [
  {
    id: "placed-with-the-old-epoch",
    rule: "S14",
    what: "A takeover keeps the epoch of the lost run.",
    file,
    find: "    epoch: epochAfter(owner?.value),\n",
    replace: "    epoch: owner?.value.epoch ?? epochAfter(undefined),\n",
  },
  {
    id: "restarted-with-the-old-epoch",
    rule: "S14",
    what: "A restart on the same host keeps the epoch.",
    file,
    find: "const next: HeldOwner = { ...owner.value, epoch: nextEpoch(owner.value.epoch) };",
    replace: "const next: HeldOwner = { ...owner.value };",
  },
  {
    id: "adopted-with-the-old-epoch",
    rule: "S11",
    what: "A VM that is claimed back keeps its epoch.",
    near: ["device-unreachable"],
    file,
    find: "incarnation: self.incarnation, epoch: nextEpoch(owner.value.epoch) };",
    replace: "incarnation: self.incarnation };",
  },
  {
    id: "adoption-without-compare",
    rule: "S11",
    what: "A VM is claimed back without comparing that nobody took it meanwhile.",
    near: ["stale-watch", "heart-stop"],
    file,
    find: "      unchanged(keys.owner(vm), owner),\n      unchanged(keys.fence(self.host, owner.value.incarnation), fence),",
    replace: "      unchanged(keys.fence(self.host, owner.value.incarnation), fence),",
  },
  {
    id: "adopted-while-the-power-may-be-cut",
    rule: "S11",
    what: "A VM is claimed back although a device has begun to cut its host's power.",
    near: ["device-slow", "device-unreachable"],
    file,
    find: '  if (fence?.value.device === "begun") return undefined;\n',
    replace: "",
    also: [
      {
        file: "src/agent/reconcile.ts",
        find: '  if (fenceOf(view, building.state.self, run.incarnation)?.value.device === "begun") return;\n',
        replace: "",
      },
    ],
  },
  {
    id: "placed-without-the-owner-compare",
    rule: "S14",
    what: "A VM is handed out without comparing that its owner record is as it was read.",
    near: ["stale-watch", "agent-stop"],
    file,
    find: "    unchanged(keys.owner(vm), owner),\n    unchanged(keys.vm(vm), view.vms.get(vm)),\n    ...stillIn(to, registration),",
    replace: "    unchanged(keys.vm(vm), view.vms.get(vm)),\n    ...stillIn(to, registration),",
  },
  {
    id: "released-without-the-owner-compare",
    rule: "S14",
    what: "A host gives up a VM that another has taken over meanwhile.",
    near: ["stale-watch"],
    file,
    find: "[unchanged(keys.owner(vm), owner), ...stillIn(host, registrationOf(view, host))],",
    replace: "stillIn(host, registrationOf(view, host)),",
  },
  {
    id: "placement-beyond-memory",
    rule: "PL1",
    what: "A VM is placed on a host whose memory is promised to others.",
    file: "src/core/placement.ts",
    find: "if (freeMiB < vm.spec.memoryMiB) {",
    replace: "if (freeMiB < 0 * vm.spec.memoryMiB) {",
  },
  {
    id: "placement-by-arrival",
    rule: "PL1",
    what: "Among equal hosts the one wins that the store named first.",
    file: "src/core/placement.ts",
    find: "for (const member of valuesInKeyOrder(view.members)) {",
    replace: "for (const member of view.members.values()) {",
    also: [
      {
        file: "src/core/placement.ts",
        find: "fit.sort((a, b) => vms(a) - vms(b) || compareText(a, b));",
        replace: "fit.sort((a, b) => vms(a) - vms(b) || 0 * compareText(a, b));",
      },
    ],
  },
  {
    id: "refusal-without-a-reason",
    rule: "PL1",
    what: "A VM that fits nowhere stays down and nobody says why.",
    file: "src/core/decide-vms.ts",
    find: "    return { notice: { subject: subjectOf(vm.id), event: told } };\n",
    replace: '    return told.type === "" ? { notice: { subject: subjectOf(vm.id), event: told } } : {};\n',
  },
];
