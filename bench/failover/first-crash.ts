import { LabError } from "../../lab/lab-error.ts";
import { clientOf } from "../../lab/session.ts";
import { until } from "../../lab/shell.ts";
import { keys } from "../../src/model/keys.ts";
import { vmStatusSchema } from "../../src/model/records.ts";
import { type BenchLab, type BenchVm, ownerOf, waitUntilReady } from "./bench-lab.ts";

const stopLimitMs = 30_000;

/**
 * A VM that crashes again and again gets longer and longer pauses between its restarts. What is measured is the crash of
 * one that was well: after a trial it is stopped and started by order, which forgets its restarts.
 */
export async function forgetCrashes(lab: BenchLab, vm: BenchVm): Promise<void> {
  const status = lab.store.latest(keys.vmStatus(vm.id))?.text;
  if (status === undefined || vmStatusSchema.parse(JSON.parse(status)).restarts === 0) return;
  const { vm: api } = clientOf(lab.cluster, lab.cluster.world.hosts[0]?.name ?? "");
  await api.stop({ vm: vm.id });
  await until(
    () => (ownerOf(lab, vm.id) === undefined ? true : undefined),
    stopLimitMs,
    () => new LabError(`${vm.name} does not stop.`, "The trial did not take place.", "Look at the lab's logs."),
  );
  await api.start({ vm: vm.id });
  await waitUntilReady(lab);
}
