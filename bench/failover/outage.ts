import { applyFault } from "../../lab/faults.ts";
import type { SeededRandom } from "../../src/base/random.ts";
import { type BenchLab, ownerOf, waitUntilReady } from "./bench-lab.ts";
import { type Copy, watchCopies } from "./copies.ts";
import { undoFaults } from "./faults.ts";
import { firstAnswer } from "./guest-client.ts";
import type { OutageEnd } from "./rows.ts";
import { tallyOf } from "./trial.ts";

export type OutagePlan = {
  readonly round: number;
  readonly outageMs: number;
  readonly heartbeatMs: number;
  readonly random: SeededRandom;
  readonly log: (line: string) => void;
};

const serveLimitMs = 60_000;

/** Every cable is cut for a while, with one VM for each host. Nobody could take over, so nobody may be fenced or killed. */
export async function runOutage(lab: BenchLab, plan: OutagePlan): Promise<OutageEnd> {
  const { world, id } = lab.cluster;
  await lab.ensureVms(world.hosts.length);
  await waitUntilReady(lab);
  await pause(plan.random.below(plan.heartbeatMs));
  const copies = watchCopies(world, id);
  const before = lab.vms.map((vm) => ({ vm, epoch: ownerOf(lab, vm.id)?.epoch ?? 0 }));
  let fencings = 0;
  const fenced = new Set(lab.store.under("/fence/").map((seen) => seen.key));
  const stopNoting = lab.store.listen(({ key, text }) => {
    if (text === undefined || !key.startsWith("/fence/") || fenced.has(key)) return;
    fenced.add(key);
    fencings += 1;
  });
  try {
    const cutAt = performance.now();
    await applyFault(world, { fault: "outage" });
    await pause(plan.outageMs - (performance.now() - cutAt));
    const healAt = performance.now();
    await applyFault(world, { fault: "heal" });
    const answers = before.map(({ vm, epoch }) => firstAnswer(world.reach, vm.address, epoch, serveLimitMs));
    const times = await Promise.all(answers);
    await undoFaults(lab);
    await waitUntilReady(lab);
    const kills = before.flatMap(({ vm, epoch }) =>
      copies.copies(vm.id).filter((copy) => wasKilled(copy, epoch)),
    ).length;
    const served = times.flatMap((at) => at ?? []);
    const pauseMs = served.length === times.length ? Math.max(...served) - cutAt : undefined;
    plan.log(
      `network-outage ${plan.round + 1}: healed after ${Math.round(healAt - cutAt)} ms; VMs served ` +
        `${times.map((at) => (at === undefined ? "never" : Math.round(at - healAt))).join(", ")} ms after it; ` +
        `${fencings} fencings, ${kills} kills; longest gap between two looks ${Math.round(copies.longestGapMs)} ms`,
    );
    return { pauseMs, fencings, kills, ...tallyOf(lab, copies, plan.log) };
  } finally {
    stopNoting();
    copies.stop();
  }
}

const wasKilled = (copy: Copy, epoch: number): boolean => copy.epoch === epoch && copy.gone;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
