import { LabError } from "../../lab/lab-error.ts";
import { until } from "../../lab/shell.ts";
import type { SeededRandom } from "../../src/base/random.ts";
import { keys } from "../../src/model/keys.ts";
import { fenceSchema, type HeldOwner } from "../../src/model/records.ts";
import { type BenchLab, type BenchVm, inspectDisk, ownerOf, waitUntilReady } from "./bench-lab.ts";
import { type CopyWatch, watchCopies } from "./copies.ts";
import { type FailoverFault, leavesCopy } from "./fault-kinds.ts";
import { directionOf, injectFault, prepareFault, undoFaults } from "./faults.ts";
import { forgetCrashes } from "./first-crash.ts";
import { firstAnswer } from "./guest-client.ts";
import type { Tally, TrialEnd, TrialTimes } from "./rows.ts";
import type { StoreWatch } from "./store-watch.ts";

export type TrialPlan = {
  readonly fault: FailoverFault;
  /** From 0. */
  readonly round: number;
  readonly heartbeatMs: number;
  readonly random: SeededRandom;
  readonly log: (line: string) => void;
};

const endLimitMs = 60_000;

/** When what was first seen; undefined: never. All on this process's clock. */
type Marks = { fenceAt?: number; provenAt?: number; ownerAt?: number; ownerText?: string };

/** One fault in a healthy lab, watched from outside, until the lab is healthy again. Throws where it does not get so. */
export async function runTrial(lab: BenchLab, plan: TrialPlan): Promise<TrialEnd> {
  await waitUntilReady(lab);
  const vm = plan.random.pick(lab.vms);
  if (plan.fault === "qemu-crash") await forgetCrashes(lab, vm);
  const before = holderOf(lab, vm);
  const target = { host: before.host as string, vm: vm.id as string };
  await prepareFault(lab, plan.fault, target);
  const leader = await leaderOf(lab);
  await randomMoment(lab, before, plan);
  const copies = watchCopies(lab.cluster.world, lab.cluster.id);
  const marks: Marks = {};
  const stopNoting = noteMarks(lab.store, vm, before, marks);
  const faultAt = performance.now();
  const answered = firstAnswer(lab.cluster.world.reach, vm.address, before.epoch + 1, endLimitMs);
  try {
    await injectFault(lab, plan.fault, target, plan.round);
    const appliedMs = performance.now() - faultAt;
    const serviceAt = await answered;
    const times = timesOf(plan.fault, { faultAt, serviceAt, marks, copies, vm, before });
    plan.log(story(plan, { faultAt, appliedMs, serviceAt, marks, copies, vm, before, leader }));
    await undoFaults(lab);
    await waitUntilReady(lab);
    return { times, ...tallyOf(lab, copies, plan.log) };
  } finally {
    stopNoting();
    copies.stop();
  }
}

/** Losses and double runs of all VMs since the last tally. */
export function tallyOf(lab: BenchLab, copies: CopyWatch, log: (line: string) => void): Tally {
  let lost = 0;
  let double = copies.overlaps.length;
  for (const overlap of copies.overlaps) log(`  DOUBLE RUN: ${overlap.copies.join(" and ")}`);
  for (const vm of lab.vms) {
    const found = inspectDisk(vm);
    lost += found.lost.length;
    double += found.revenants.length;
    if (found.lost.length > 0) log(`  LOST of ${vm.name}: ${found.lost.join(", ")}`);
    for (const epoch of found.revenants) log(`  DOUBLE RUN of ${vm.name}: epoch ${epoch} wrote after a newer one`);
  }
  return { lostAcknowledgedWrites: lost, doubleRuns: double };
}

function holderOf(lab: BenchLab, vm: BenchVm): HeldOwner {
  const owner = ownerOf(lab, vm.id);
  if (owner !== undefined) return owner;
  throw new LabError(`Nobody holds ${vm.name}.`, "The trial did not take place.", "Look at the lab's logs.");
}

/** Each moment between two heartbeats is as likely as any other. */
async function randomMoment(lab: BenchLab, before: HeldOwner, plan: TrialPlan): Promise<void> {
  const key = keys.heartbeat(before.host, before.incarnation);
  const seen = lab.store.latest(key)?.revision ?? 0;
  await until(
    () => ((lab.store.latest(key)?.revision ?? 0) > seen ? true : undefined),
    10_000,
    () => new LabError(`${before.host} sends no heartbeats.`, "The trial did not take place.", "Look at its logs."),
    2,
  );
  await new Promise((resolve) => setTimeout(resolve, plan.random.below(plan.heartbeatMs)));
}

function noteMarks(store: StoreWatch, vm: BenchVm, before: HeldOwner, marks: Marks): () => void {
  const fenceKey = keys.fence(before.host, before.incarnation);
  const ownerKey = keys.owner(vm.id);
  return store.listen(({ key, text, at }) => {
    if (text === undefined) return;
    if (key === fenceKey) {
      marks.fenceAt ??= at;
      const { proofs } = fenceSchema.parse(JSON.parse(text));
      // What a shared folder asks for (S10).
      if (proofs.includes("power-off") || proofs.includes("last-word")) marks.provenAt ??= at;
    }
    if (key === ownerKey) {
      marks.ownerAt ??= at;
      marks.ownerText ??= text;
    }
  });
}

type Observed = {
  readonly faultAt: number;
  readonly serviceAt: number | undefined;
  readonly marks: Marks;
  readonly copies: CopyWatch;
  readonly vm: BenchVm;
  readonly before: HeldOwner;
};

function timesOf(fault: FailoverFault, seen: Observed): TrialTimes | undefined {
  const { faultAt, serviceAt, marks } = seen;
  const crash = fault === "qemu-crash";
  // A host that lives restarts its VM itself: no fence, no proof; what permits the start is the raised epoch.
  const takeoverAt = crash ? newCopyAt(seen) : marks.fenceAt;
  const allowedAt = crash ? marks.ownerAt : marks.provenAt;
  if (takeoverAt === undefined || allowedAt === undefined || serviceAt === undefined) return undefined;
  const stillAt = oldCopy(seen)?.stillSince;
  // Not even still when the observation ended: as if it had stopped at this moment, which shows as a negative time.
  const frozenBefore = takeoverAt - (stillAt ?? performance.now());
  return {
    takeoverMs: takeoverAt - faultAt,
    startAllowedMs: allowedAt - faultAt,
    serviceMs: serviceAt - faultAt,
    frozenBeforeTakeoverMs: leavesCopy[fault] ? frozenBefore : null,
  };
}

function newCopyAt({ copies, vm, before }: Observed): number | undefined {
  const newer = copies.copies(vm.id).filter((copy) => copy.epoch > before.epoch);
  return newer.flatMap((copy) => copy.runningAt ?? []).sort((a, b) => a - b)[0];
}

function oldCopy({ copies, vm, before }: Observed) {
  return copies.copies(vm.id).find((copy) => copy.epoch === before.epoch && copy.host === before.host);
}

async function leaderOf(lab: BenchLab): Promise<string> {
  const members = await lab.store.health();
  const index = members.findIndex((member) => member.kind === "answered" && member.leads);
  return lab.cluster.world.hosts[index]?.name ?? "nobody";
}

function story(plan: TrialPlan, seen: Observed & { readonly appliedMs: number; readonly leader: string }): string {
  const { faultAt, marks, copies, before } = seen;
  const after = (at: number | undefined): string => (at === undefined ? "never" : `${Math.round(at - faultAt)}`);
  const name = plan.fault === "one-way-cut" ? directionOf(plan.round) : plan.fault;
  return [
    `${name} ${plan.round + 1}: ${before.host} (store led by ${seen.leader}), in force after ${Math.round(seen.appliedMs)} ms;`,
    `old copy still ${after(oldCopy(seen)?.stillSince)}, fence ${after(marks.fenceAt)}, proof ${after(marks.provenAt)},`,
    `owner ${after(marks.ownerAt)}, new QEMU ${after(newCopyAt(seen))}, service ${after(seen.serviceAt)} ms;`,
    `longest gap between two looks ${Math.round(copies.longestGapMs)} ms`,
  ].join(" ");
}
