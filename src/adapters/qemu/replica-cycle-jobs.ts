import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type CycleId, cycleBefore } from "../../model/replication-cycle.ts";
import type { Qmp } from "./qmp.ts";

// What QEMU does in a cycle: one backup job for each disk, all begun at one moment, and bitmaps of what was written since. A
// bitmap is named by the cycle since whose moment it has noted every write, and goes on noting while it is sent: so it is
// right whatever becomes of the cycle, and nothing has ever to be merged back (S25).

const limits = {
  openMs: 10_000,
  pollMs: 20,
  endMs: 30_000,
  /** Seconds: a write that the job has to copy away first waits for a relay that is killed, instead of failing. */
  reconnectS: 1_000_000_000,
  /** Whatever waits in QEMU for a relay that was away looks for the next one every 16 s at the latest. */
  backMs: 20_000,
  granularity: 65_536,
  /** What is under way at a time lies in the relay. */
  workers: 8,
  chunkBytes: 1024 * 1024,
} as const;

const mebibyte = 1024 * 1024;
const prefix = "holdfast.";

export type CycleNames = { readonly disk: string; readonly node: string; readonly job: string };

export function cycleNames(disk: number): CycleNames {
  return { disk: `disk${disk}`, node: `cycle${disk}`, job: `cycle${disk}` };
}

const nodesSchema = z.array(
  z.object({
    "node-name": z.string(),
    drv: z.string(),
    "dirty-bitmaps": z.array(z.object({ name: z.string(), inconsistent: z.boolean().optional() })).optional(),
  }),
);

/** One disk, with the cycles since which it has noted all writes. */
export type Noted = {
  readonly isQcow2: boolean;
  readonly bitmaps: readonly string[];
  /** Those of no use: a QEMU that was killed leaves them. */
  readonly broken: readonly string[];
};

/** By disk. Undefined: QEMU does not say, or one of the disks is not there. */
export async function notedWrites(qmp: Qmp, names: readonly CycleNames[]): Promise<readonly Noted[] | undefined> {
  const end = await qmp.execute("query-named-block-nodes", { flat: true });
  const parsed = end.kind === "done" ? nodesSchema.safeParse(end.value) : undefined;
  if (parsed?.success !== true) return undefined;
  const found = names.map(({ disk }) => parsed.data.find((node) => node["node-name"] === disk));
  if (found.some((node) => node === undefined)) return undefined;
  return found.map((node) => {
    const ours = (node?.["dirty-bitmaps"] ?? []).filter(({ name }) => name.startsWith(prefix));
    const of = (isBroken: boolean): string[] =>
      ours.filter(({ inconsistent }) => (inconsistent === true) === isBroken).map(({ name }) => name);
    return { isQcow2: node?.drv === "qcow2", bitmaps: of(false), broken: of(true) };
  });
}

/** Every disk has noted all writes since this cycle. */
export function isNotedSince(noted: readonly Noted[], cycle: CycleId): boolean {
  return noted.every(({ bitmaps }) => bitmaps.includes(bitmapOf(cycle)));
}

/** All that is noted but since one of these cycles. */
export async function forgetBut(
  qmp: Qmp,
  names: readonly CycleNames[],
  noted: readonly Noted[],
  keep: CycleId | null,
): Promise<void> {
  for (const [i, { disk }] of names.entries()) {
    const { bitmaps = [], broken = [] } = noted[i] ?? {};
    for (const name of [...bitmaps, ...broken])
      if (keep === null || name !== bitmapOf(keep) || broken.includes(name))
        await qmp.execute("block-dirty-bitmap-remove", { node: disk, name });
  }
}

function bitmapOf({ chain, sequence }: CycleId): string {
  return `${prefix}${chain}.${sequence}`;
}

/** Each volume's way to the relay. A text: why there is none. */
export async function openNodes(
  qmp: Qmp,
  names: readonly CycleNames[],
  socket: string,
  volumes: readonly string[],
): Promise<string | undefined> {
  for (const [i, { node }] of names.entries()) {
    const server = { type: "unix", path: socket };
    const options = { driver: "nbd", "node-name": node, server, export: volumes[i] };
    const end = await qmp.execute(
      "blockdev-add",
      { ...options, "reconnect-delay": limits.reconnectS },
      { limitMs: limits.openMs },
    );
    if (end.kind !== "done") return end.kind === "failed" ? end.description : "QEMU does not answer";
  }
  return undefined;
}

/** All disks at one moment: what each held then is sent, whatever is written meanwhile. A text: it was not begun. */
export async function beginJobs(
  qmp: Qmp,
  names: readonly CycleNames[],
  noted: readonly Noted[],
  cycle: CycleId,
  mibPerSecond: number | null,
): Promise<string | undefined> {
  const base = cycleBefore(cycle);
  const actions = names.flatMap(({ disk, node, job }, i) => [
    {
      type: "block-dirty-bitmap-add",
      data: {
        node: disk,
        name: bitmapOf(cycle),
        granularity: limits.granularity,
        persistent: noted[i]?.isQcow2 === true,
      },
    },
    {
      type: "blockdev-backup",
      data: {
        "job-id": job,
        device: disk,
        target: node,
        ...(base === null ? { sync: "full" } : { sync: "bitmap", bitmap: bitmapOf(base), "bitmap-mode": "never" }),
        "auto-dismiss": false,
        ...(mibPerSecond === null ? {} : { speed: mibPerSecond * mebibyte }),
        "on-source-error": "report",
        "on-target-error": "report",
        "x-perf": { "max-workers": limits.workers, "max-chunk": limits.chunkBytes },
      },
    },
  ]);
  const end = await qmp.execute("transaction", { actions }, { limitMs: limits.openMs });
  if (end.kind === "done") return undefined;
  return end.kind === "failed" ? end.description : "QEMU does not answer";
}

const jobsSchema = z.array(z.object({ id: z.string(), status: z.string(), error: z.string().optional() }));
type CycleJob = z.infer<typeof jobsSchema>[number];

/** Undefined: QEMU does not say. */
async function jobsOf(qmp: Qmp, names: readonly CycleNames[]): Promise<readonly CycleJob[] | undefined> {
  const end = await qmp.execute("query-jobs");
  const parsed = end.kind === "done" ? jobsSchema.safeParse(end.value) : undefined;
  if (parsed?.success !== true) return undefined;
  return parsed.data.filter(({ id }) => names.some(({ job }) => job === id));
}

/**
 * Until all have ended; `lost` is asked again and again, and true where it is no use to wait on. A text: what went wrong.
 * The jobs are still there, for `removeJobs`.
 */
export async function jobsEnded(
  qmp: Qmp,
  names: readonly CycleNames[],
  lost: () => Promise<string | undefined>,
): Promise<string | undefined> {
  for (; ; await sleep(limits.pollMs)) {
    const jobs = await jobsOf(qmp, names);
    if (jobs?.length !== names.length) return "QEMU does not answer, or has no such job";
    if (jobs.every(({ status }) => status === "concluded")) return jobs.find(({ error }) => error !== undefined)?.error;
    const why = await lost();
    if (why !== undefined) return why;
  }
}

/**
 * False: something of them is left, try again. The relay has let go, or everything has ended: nothing waits for a peer. One
 * whose disk has no connection to the relay yet is not broken off: QEMU would answer with an error what waits for it, the
 * guest's writes too (S25).
 */
export async function removeJobs(
  qmp: Qmp,
  names: readonly CycleNames[],
  isServed: (disk: number) => boolean,
): Promise<boolean> {
  const begun = performance.now();
  for (; ; await sleep(limits.pollMs)) {
    const jobs = await jobsOf(qmp, names);
    const tookMs = performance.now() - begun;
    if (jobs === undefined || tookMs > limits.endMs) return false;
    for (const { id, status } of jobs) {
      const mayEnd = tookMs > limits.backMs || isServed(names.findIndex(({ job }) => job === id));
      if (status === "concluded") await qmp.execute("job-dismiss", { id });
      else if (mayEnd) await qmp.execute("job-cancel", { id });
    }
    if (jobs.length === 0) return true;
  }
}

/** Closing a node flushes it: all that was sent is answered by then. False: one is left. */
export async function removeNodes(qmp: Qmp, names: readonly CycleNames[]): Promise<boolean> {
  for (const { node } of names) {
    const end = await qmp.execute("blockdev-del", { "node-name": node }, { limitMs: limits.openMs });
    if (end.kind !== "done" && !(end.kind === "failed" && /Failed to find node/u.test(end.description))) return false;
  }
  return true;
}
