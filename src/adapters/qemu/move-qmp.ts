import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Refusal, refuse } from "../../model/reason.ts";
import { readCgroupEvents } from "../linux/cgroup.ts";
import type { JobError, LiveRun } from "./host.ts";
import type { QmpEnd } from "./qmp.ts";

/** What `query-migrate` says, as far as it is used. Bytes, milliseconds, megabits a second. */
const migrateInfoSchema = z.object({
  status: z.string().optional(),
  "error-desc": z.string().optional(),
  "total-time": z.number().optional(),
  "expected-downtime": z.number().optional(),
  "socket-address": z.array(z.object({ port: z.string().optional() })).optional(),
  ram: z
    .object({
      total: z.number(),
      remaining: z.number(),
      transferred: z.number(),
      mbps: z.number(),
      "dirty-sync-count": z.number(),
    })
    .optional(),
});
export type MigrateInfo = z.infer<typeof migrateInfoSchema>;

type Command = readonly [name: string, args?: object];

/** Undefined: QEMU does not say. */
export async function queryMigrate(live: LiveRun, limitMs?: number): Promise<MigrateInfo | undefined> {
  const end = await live.qmp?.execute("query-migrate", undefined, limitMs === undefined ? {} : { limitMs });
  const parsed = end?.kind === "done" ? migrateInfoSchema.safeParse(end.value) : undefined;
  return parsed?.success === true ? parsed.data : undefined;
}

/** One after the other; the first that is not done ends it. */
export async function executeAll(live: LiveRun, commands: readonly Command[]): Promise<QmpEnd> {
  let end: QmpEnd = { kind: "done", value: undefined };
  for (const [name, args] of commands) {
    end = (await live.qmp?.execute(name, args)) ?? { kind: "dead" };
    if (end.kind !== "done") return end;
  }
  return end;
}

/**
 * All at once, which spares the wait for each answer; QEMU carries them out in this order. Only for what harms nothing where one
 * before it was refused: the first that is not done is the end of all.
 */
export async function executeTogether(live: LiveRun, commands: readonly Command[]): Promise<QmpEnd> {
  const ends = await Promise.all(commands.map((command) => executeAll(live, [command])));
  return ends.find(({ kind }) => kind !== "done") ?? { kind: "done", value: undefined };
}

/** What QEMU says where it will not take part. */
export function moveRefused(
  live: LiveRun,
  end: QmpEnd,
): Refusal | { readonly kind: "unknown"; readonly cause: string } {
  const { vm } = live.run;
  if (end.kind === "failed") return refuse("move-qemu-refused", { vm, detail: end.description });
  if (live.qmp === undefined) return refuse("vm-not-running", { vm });
  return { kind: "unknown", cause: `QEMU's answer to a step of the move: ${end.kind}` };
}

/** On or off for each, because a run that once came in by a move has those of the target still. */
export function capabilities(states: Readonly<Record<string, boolean>>): Command {
  const list = Object.entries(states).map(([capability, state]) => ({ capability, state }));
  return ["migrate-set-capabilities", { capabilities: list }];
}

/** A word of QEMU's may have been missed, where the driver is new. */
const lookEveryMs = 200;
const attachPollMs = 10;

type Waiting = {
  /** Null: for as long as its QMP lives. */
  readonly limitMs: number | null;
  readonly signal?: AbortSignal;
  /** Called now and then meanwhile with how things stand; answers after how many milliseconds again. */
  readonly look?: (info: MigrateInfo) => Promise<number>;
  /** Called where QEMU was asked how they stand, and said nothing for so long. */
  readonly unanswered?: (silentMs: number) => Promise<void>;
};

/**
 * Waits until QEMU's migration is in one of these states, and says in which; `lost`: its QMP has ended; `late`: not within
 * the limit; `given-up`: by the signal.
 */
export async function awaitMigration(
  live: LiveRun,
  wanted: readonly string[],
  { limitMs, signal, look, unanswered }: Waiting,
): Promise<string> {
  const giveUpAt = performance.now() + (limitMs ?? Number.POSITIVE_INFINITY);
  // QEMU is slow to answer while it takes memory in; what it said by itself is enough to begin with.
  let nextLookAt = live.migration === undefined ? 0 : performance.now() + lookEveryMs;
  for (;;) {
    if (live.qmp === undefined) return "lost";
    if (signal?.aborted === true) return "given-up";
    if (live.migration !== undefined && wanted.includes(live.migration)) return live.migration;
    const now = performance.now();
    if (now >= giveUpAt) return "late";
    if (now < nextLookAt) {
      await nextWord(live.onMigration, Math.min(nextLookAt, giveUpAt) - now, signal);
      continue;
    }
    const heard = live.migration;
    const info = await queryMigrate(live);
    if (info === undefined) await unanswered?.(performance.now() - now);
    // An event that came during the question is newer than its answer.
    if (info?.status !== undefined && live.migration === heard) live.migration = info.status;
    const pauseMs = info === undefined ? undefined : await look?.(info);
    nextLookAt = performance.now() + (pauseMs ?? lookEveryMs);
  }
}

/**
 * Where the driver is new, or QEMU was frozen, its QMP is on its way: that says nothing about the guest. False: it did not
 * come within the limit, or nothing of the run is left.
 */
export async function awaitQmp(live: LiveRun, limitMs: number): Promise<boolean> {
  for (const giveUpAt = performance.now() + limitMs; live.qmp === undefined; await sleep(attachPollMs)) {
    if (performance.now() > giveUpAt || readCgroupEvents(live.cgroup)?.populated !== true) return false;
  }
  return true;
}

/** Until QEMU says something of it; no longer than the limit, or the signal. */
export function nextWord(hearers: Set<() => void>, limitMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const hear = (): void => {
      clearTimeout(limit);
      hearers.delete(hear);
      signal?.removeEventListener("abort", hear);
      resolve();
    };
    const limit = setTimeout(hear, limitMs);
    hearers.add(hear);
    signal?.addEventListener("abort", hear);
  });
}

/** QEMU's words for a connection that has lost its other end, with or without TLS; what certificates lack is none of that. */
const otherEndGone = new RegExp(
  [
    "broken pipe",
    "reset by peer",
    "connection (?:refused|closed|timed out|aborted)",
    "no route to host",
    "network is unreachable",
    "end-of-file before",
    "tls channel: (?:input/output error|error in the (?:push|pull) function|the tls connection was)",
    "tls connection was non-properly terminated",
  ].join("|"),
  "iu",
);
const inputOutput = /^(?:channel error: )?input\/output error$/iu;

/** Why a move broke off, for people: QEMU says of a target that is gone only that it cannot write to it. */
export function whatBroke(detail: string | undefined): string {
  if (detail === undefined || detail === "")
    return "the connection to the target ended, and QEMU does not say why: its QEMU is gone, or the link broke";
  if (!otherEndGone.test(detail) && !inputOutput.test(detail)) return detail;
  return `the connection to the target ended: its QEMU is gone, or the link broke (QEMU says: ${detail})`;
}

/** Why a move was given up whose bytes went nowhere. The target may be well: from here the two look the same. */
export function whatStalled(link: string, stillMs: number): string {
  const seconds = Math.floor(stillMs / 1_000);
  return `nothing has got through to ${link} for ${seconds} s: the link is cut, or the target stands still`;
}

const noRoom = /^no space left on device$/iu;

/**
 * Why a copy of a disk ended, where it was not the disk itself. Its job says the same of a target that is gone as of one whose
 * storage fails; `failed`: on which side it was, where QEMU said that.
 */
export function whatEndedCopy(detail: string, failed?: JobError): string {
  if (noRoom.test(detail)) return `the target's pool has no room left for its disks (QEMU says: ${detail})`;
  if (!inputOutput.test(detail)) return whatBroke(detail);
  const own = failed === "write" ? "" : "its own disk could not be read, or ";
  return `${own}the connection to the target ended, or the target's storage failed (QEMU says: ${detail})`;
}
