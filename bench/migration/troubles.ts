import { LabError } from "../../lab/lab-error.ts";
import type { SeededRandom } from "../../src/base/random.ts";
import type { HostId } from "../../src/model/ids.ts";
import type { TestLab, TestVm } from "../../test/support/lab-cluster.ts";
import type { StoreWatch } from "../failover/store-watch.ts";

/** What goes wrong while a guest moves. */
export const troubles = [
  "source-qemu-killed",
  "target-qemu-killed",
  "agent-killed",
  "agent-frozen",
  "link-cut",
  "host-cut",
  "host-frozen",
  "power-lost",
  "cancelled",
  "store-leader-killed",
] as const;
export type Trouble = (typeof troubles)[number];

export type Setting = { readonly lab: TestLab; readonly store: StoreWatch; readonly random: SeededRandom };
export type Move = { readonly vm: TestVm; readonly from: HostId; readonly to: HostId };

/** Makes the trouble; `false`: there was nothing left that it could hit. */
export async function strike(setting: Setting, move: Move, trouble: Trouble): Promise<boolean> {
  try {
    return await makeTrouble(setting, move, trouble);
  } catch (error) {
    // A process that an earlier trouble ended is not there for this one.
    if (error instanceof LabError) return false;
    throw error;
  }
}

async function makeTrouble(setting: Setting, move: Move, trouble: Trouble): Promise<boolean> {
  const { lab, random } = setting;
  const { vm, from, to } = move;
  const host = random.pick([from, to]);
  switch (trouble) {
    case "source-qemu-killed":
      return killQemu(lab, from, vm);
    case "target-qemu-killed":
      return killQemu(lab, to, vm);
    case "agent-killed":
      await lab.fault("kill", { host, process: "agent" });
      return true;
    case "agent-frozen":
      await lab.fault("freeze", { host, process: "agent" });
      return true;
    case "link-cut":
      await lab.fault("cut", { host, link: "availability" });
      return true;
    case "host-cut":
      await lab.fault("cut", { host });
      return true;
    case "host-frozen":
      await lab.fault("freeze-host", { host });
      return true;
    case "power-lost":
      await lab.fault("power-off", { host });
      return true;
    case "cancelled":
      return lab
        .client()
        .vm.cancelMove({ vm: vm.id })
        .then(
          () => true,
          () => false,
        );
    case "store-leader-killed":
      return killStoreLeader(setting);
  }
}

function killQemu(lab: TestLab, host: HostId, vm: TestVm): boolean {
  const pids = lab.host(host).vmPids(vm.id);
  for (const pid of pids) process.kill(pid, "SIGKILL");
  return pids.length > 0;
}

/** Its keeper starts it again; until then another one leads. */
async function killStoreLeader({ lab, store }: Setting): Promise<boolean> {
  const members = await store.health();
  const leader = lab.world.hosts[members.findIndex((member) => member.kind === "answered" && member.leads)];
  if (leader === undefined) return false;
  await lab.fault("kill", { host: leader.name, process: "etcd" });
  return true;
}
