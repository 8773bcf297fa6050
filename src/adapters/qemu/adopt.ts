import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import { cgroupPids, makeCgroup, moveToCgroup, readCgroupEvents, removeCgroup } from "../linux/cgroup.ts";
import { newLiveRun, type QemuHost, runCgroup, runKey } from "./host.ts";
import { moveRunFolder, type RunRecord, readRunRecords, runPaths, writeRunRecord } from "./run-folder.ts";
import { follow } from "./watch.ts";

/** A process that forks while it is moved is found in the next round; more rounds than this are a bug. */
const roundsMax = 100;

/**
 * Moves a run to its new name: folder, record, processes, in this order, each step harmless when it is repeated after an
 * interruption. A process that leaves a frozen cgroup goes on by itself (S11).
 */
export async function adoptRun(host: QemuHost, run: VmRun, as: VmRun): Promise<HypervisorEnd> {
  const { options } = host;
  const from = runCgroup(options, run);
  const to = runCgroup(options, as);
  if (readCgroupEvents(from)?.populated !== true && readCgroupEvents(to)?.populated !== true)
    return refuse("vm-not-running", { vm: run.vm });
  if (makeCgroup(to) === "no-parent") return refuse("incarnation-gone", { vm: as.vm, incarnation: as.incarnation });
  const toPaths = runPaths(options.runDir, as);
  const record = readRunRecords(options.runDir).find(
    ({ vm, epoch }) => vm === run.vm && (epoch === run.epoch || epoch === as.epoch),
  );
  if (record?.phase === "incoming") return refuse("vm-not-running", { vm: run.vm });
  const taps = record?.taps ?? [];
  // The new name has handed nothing over: what stands still for a move may go on under it.
  const phase = adoptedPhase(record?.phase);
  const live = host.runs.get(runKey(run));
  moveRunFolder(runPaths(options.runDir, run), toPaths);
  writeRunRecord(toPaths, { schema: 1, ...as, phase, taps: [...taps] });
  if (live !== undefined) {
    // Renamed before its processes move: what they say from then on is said of the new run.
    host.runs.delete(runKey(run));
    Object.assign(live, { run: as, paths: toPaths, cgroup: to, phase });
    host.runs.set(runKey(as), live);
  }
  if (!moveAll(from, to)) return { kind: "unknown", cause: `some processes of ${runKey(run)} did not move` };
  removeCgroup(from);
  if (live === undefined) void follow(host, newLiveRun(host, as, taps, phase));
  return { kind: "done" };
}

function adoptedPhase(before: RunRecord["phase"] | undefined): RunRecord["phase"] {
  if (before === "leaving" || before === "handed") return "leaving";
  return before === "arriving" || before === "halted" ? before : "running";
}

function moveAll(from: string, to: string): boolean {
  for (let round = 0; round < roundsMax; round++) {
    const pids = cgroupPids(from);
    if (pids.length === 0) return readCgroupEvents(from)?.populated !== true;
    for (const pid of pids) moveToCgroup(to, pid);
  }
  return false;
}
