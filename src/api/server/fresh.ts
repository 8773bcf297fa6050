import type { IntentId, TaskId, VmId } from "../../model/ids.ts";
import type { ClusterView } from "../../model/view.ts";
import type { Random } from "../../ports/random.ts";

const letters = "abcdefghijklmnopqrstuvwxyz0123456789";

/** `vm:` and six characters. */
export function freshVmId(view: ClusterView, random: Random): VmId {
  for (;;) {
    const id = `vm:${Array.from({ length: 6 }, () => letters.charAt(random.below(letters.length))).join("")}` as VmId;
    if (!view.vms.has(id)) return id;
  }
}

/** Addresses in QEMU's own range that no VM of the cluster has. */
export function freshMacs(view: ClusterView, count: number, random: Random): string[] {
  const used = new Set([...view.vms.values()].flatMap(({ value }) => value.spec.nics.map((nic) => nic.mac)));
  const macs: string[] = [];
  while (macs.length < count) {
    const hex = random.hex(6);
    const mac = `52:54:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`;
    if (used.has(mac)) continue;
    used.add(mac);
    macs.push(mac);
  }
  return macs;
}

export function freshTaskId(random: Random): TaskId {
  return `task-${random.hex(12)}` as TaskId;
}

export function freshIntentId(random: Random): IntentId {
  return `intent-${random.hex(12)}` as IntentId;
}
