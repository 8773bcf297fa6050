import type { Mutant } from "../mutant.ts";

/** Bugs of orders, moves and hosts that are managed. */
export const managingMutants: readonly Mutant[] = [
  {
    id: "order-dropped-without-a-word",
    rule: "HM1",
    what: "An order that cannot be carried out disappears, and nobody hears why.",
    near: ["operator-moves"],
    file: "src/core/decide-vm-orders.ts",
    find: "[unchanged(key, stored), ...round.also], [remove(key)]), [told]);",
    replace: "[unchanged(key, stored), ...round.also], [remove(key)]), told.type === '' ? [told] : []);",
  },
  {
    id: "failed-move-tried-again-at-once",
    rule: "HM2",
    what: "A move that failed is tried again without a pause.",
    near: ["maintenance", "qemu-does-not-die"],
    file: "src/core/move-attempts.ts",
    find: "if (round.known.now >= dueAt) return true;",
    replace: "if (round.known.now >= 0 * dueAt) return true;",
  },
  {
    id: "placed-in-maintenance",
    rule: "HM3",
    what: "VMs are placed on a host in maintenance.",
    near: ["maintenance", "power-loss"],
    file: "src/core/placement/fitness.ts",
    find: 'if (view.maintenances.has(host)) return reason("PL1", "host-in-maintenance", { host });',
    replace: 'if (view.maintenances.has("" as HostId)) return reason("PL1", "host-in-maintenance", { host });',
  },
  {
    id: "disabled-counts-as-stopped",
    rule: "HM2",
    what: "A VM that cannot be stopped is let go once somebody disables it.",
    near: ["qemu-does-not-die"],
    file: "src/agent/ending.ts",
    find: "  if (local.stopsFailed > 0) recordError(building, local);\n",
    replace:
      '  if (local.stopsFailed > 0) recordError(building, local);\n  if (building.happened.view.vms.get(local.run.vm)?.value.requested === "disabled") building.state = withLocal(building.state, { ...local, phase: "gone" });\n',
  },
];
