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
  {
    id: "last-word-with-vms-left",
    rule: "HM4",
    what: "A host that leaves gives its last word before its VMs have ended.",
    near: ["host-reboots"],
    file: "src/agent/leaving.ts",
    find: "goesDown(mode.value, incarnation) && isEmpty(building))",
    replace: "goesDown(mode.value, incarnation) && (isEmpty(building) || true))",
  },
  {
    id: "rejoins-while-it-goes-down",
    rule: "HM4",
    what: "A host that gave its last word joins again before its machine is down.",
    near: ["host-reboots"],
    file: "src/heart/looking.ts",
    find: "  if (isOwn(state, found.value) && leftInOrder(record.value)) return stayAway(state, found, record, at);\n",
    replace:
      "  if (isOwn(state, found.value) && record.value.by === ('' as never)) return stayAway(state, found, record, at);\n",
    also: [
      {
        file: "src/heart/looking.ts",
        find: 'import { leftInOrder } from "../core/host-standing.ts";\n',
        replace: "",
      },
    ],
  },
  {
    id: "awaited-host-not-waited-for",
    rule: "HM4",
    what: "VMs that wait for a host which restarts in order are started elsewhere.",
    near: ["host-reboots"],
    file: "src/core/decide-starts.ts",
    find: "if (aim === undefined && owner !== undefined && isAwaited(view, owner.host)) {",
    replace: "if (aim === undefined && owner !== undefined && owner.epoch < 0 && isAwaited(view, owner.host)) {",
  },
];
