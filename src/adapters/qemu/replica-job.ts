import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Qmp } from "./qmp.ts";

/** One volume of a run, as its QEMU knows it: the disk's node, the replica's node and the job between. */
export type MirrorNames = { readonly device: string; readonly node: string; readonly job: string };

const limits = {
  endMs: 10_000,
  pollMs: 5,
  /** Seconds: a write waits for a relay that is away, whatever happens (S16). */
  reconnectS: 1_000_000_000,
  openMs: 10_000,
} as const;

export function namesOf(disk: number): MirrorNames {
  return { device: `disk${disk}`, node: `replica${disk}`, job: `replica${disk}` };
}

const jobSchema = z.object({
  device: z.string(),
  type: z.string(),
  len: z.number(),
  offset: z.number(),
  ready: z.boolean(),
  paused: z.boolean(),
  "io-status": z.string(),
  status: z.string(),
});
export type MirrorJob = z.infer<typeof jobSchema>;

/** Undefined: QEMU does not say. Jobs that are not there are left out. */
export async function queryJobs(qmp: Qmp, names: readonly MirrorNames[]): Promise<readonly MirrorJob[] | undefined> {
  const end = await qmp.execute("query-block-jobs");
  const parsed = end.kind === "done" ? z.array(jobSchema).safeParse(end.value) : undefined;
  if (parsed?.success !== true) return undefined;
  return parsed.data.filter(({ device }) => names.some(({ job }) => job === device));
}

/** Not `ready` alone: a job that went on after an error says so with blocks still missing. */
export function isWhole(job: MirrorJob): boolean {
  return job.ready && !job.paused && job["io-status"] === "ok" && job.len === job.offset;
}

export type MirrorTo = {
  /** Where its relay serves it, and under which name. */
  readonly socket: string;
  readonly volume: string;
  /** `full`: everything that the volume holds is copied; `none`: what is written from now on. */
  readonly sync: "full" | "none";
};

/** The volume's writes go to the relay too from here on. Undefined: that is so; otherwise why not. */
export async function startMirror(qmp: Qmp, names: MirrorNames, to: MirrorTo): Promise<string | undefined> {
  const node = {
    driver: "nbd",
    "node-name": names.node,
    server: { type: "unix", path: to.socket },
    export: to.volume,
    "reconnect-delay": limits.reconnectS,
  };
  const job = {
    "job-id": names.job,
    device: names.device,
    target: names.node,
    sync: to.sync,
    // What is noted of a write that was refused costs as much as it is large.
    granularity: 65_536,
    "copy-mode": "write-blocking",
    // What the replica misses stays in the job's bitmap (S16); a source that cannot be read ends it.
    "on-target-error": "stop",
    "on-source-error": "report",
  };
  const added = await qmp.execute("blockdev-add", node, { limitMs: limits.openMs });
  const end = added.kind === "done" ? await qmp.execute("blockdev-mirror", job, { limitMs: limits.openMs }) : added;
  if (end.kind === "failed") return end.description;
  return end.kind === "done" ? undefined : `QEMU does not answer (${end.kind})`;
}

/** Jobs that an error has stopped go on with what is in their bitmaps. */
export async function resumeJobs(qmp: Qmp, jobs: readonly MirrorJob[]): Promise<void> {
  for (const { device, paused } of jobs) if (paused) await qmp.execute("block-job-resume", { device });
}

/**
 * No trace is left. The relay has let go by now, so that every job comes to its end in order: QEMU 7.2 corrupts its own memory
 * where a job is broken off while a write of the guest's is with it. False: something is left, try again.
 */
export async function removeMirrors(qmp: Qmp, names: readonly MirrorNames[]): Promise<boolean> {
  for (const giveUpAt = performance.now() + limits.endMs; ; await sleep(limits.pollMs)) {
    const left = await queryJobs(qmp, names);
    if (left?.length === 0) break;
    if (left === undefined || performance.now() > giveUpAt) return false;
    await resumeJobs(qmp, left);
    // Not by force, and only then it is not by force.
    for (const { device, ready } of left) if (ready) await qmp.execute("block-job-cancel", { device, force: false });
  }
  for (const { node } of names) {
    const end = await qmp.execute("blockdev-del", { "node-name": node });
    if (end.kind !== "done" && !(end.kind === "failed" && /Failed to find node/u.test(end.description))) return false;
  }
  return true;
}
