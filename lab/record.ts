import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { killCgroupSync, removeCgroupSync } from "./cgroup.ts";
import { LabError } from "./lab-error.ts";
import { runPrefix } from "./names.ts";
import { commandSync, sleepSync } from "./shell.ts";

/** Where living labs are found, also by `./holdfast lab …` from another terminal. Gone after a boot of the machine. */
export const recordDir = "/run/holdfast-lab";

const recordSchema = z.object({
  run: z.string().regex(/^[0-9a-f]{6}$/u),
  pid: z.int(),
  /** Ticks since boot: tells the process from a later one with the same pid. */
  startTime: z.string(),
  dir: z.string(),
  cgroup: z.string(),
  keep: z.boolean(),
});
export type RunRecord = z.infer<typeof recordSchema>;

/** Written before the run makes anything, so that nothing it makes can be forgotten. */
export function writeRecord(record: RunRecord): void {
  mkdirSync(recordDir, { recursive: true, mode: 0o700 });
  writeFileSync(recordPath(record.run), JSON.stringify(record));
}

export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command name may hold spaces and brackets; field 22 is counted after its closing bracket.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

export function readRecords(): readonly RunRecord[] {
  if (!existsSync(recordDir)) return [];
  const names = readdirSync(recordDir).filter((name) => name.endsWith(".json"));
  return names.flatMap((name) => parseRecord(join(recordDir, name)));
}

function parseRecord(path: string): RunRecord[] {
  try {
    return [recordSchema.parse(JSON.parse(readFileSync(path, "utf8")))];
  } catch {
    return []; // removed or being written meanwhile; a record of a foreign format is not ours to judge
  }
}

export function isAlive(record: RunRecord): boolean {
  return startTimeOf(record.pid) === record.startTime;
}

/** Removes what runs whose lab process is dead have left. Living runs are never touched. Returns the removed run ids. */
export function removeDeadRuns(): readonly string[] {
  const dead = readRecords().filter((record) => !isAlive(record));
  for (const record of dead) removeRun(record);
  return dead.map((record) => record.run);
}

/**
 * Removes everything a run has made; doing it twice is harmless. Synchronous, because it also runs at the exit of the
 * process. Throws `LabError` where something refuses to go; the record then stays for the next try.
 */
export function removeRun(record: RunRecord): void {
  if (!killCgroupSync(record.cgroup, 10_000)) throw leftBehind(`processes in ${record.cgroup}`);
  for (const name of namespacesOf(record.run)) commandSync("ip", ["netns", "del", name]);
  for (const mount of mountsBelow(record.dir)) unmountSync(mount);
  removeCgroupSync(record.cgroup);
  const left = [...namespacesOf(record.run), ...mountsBelow(record.dir)];
  if (left.length > 0) throw leftBehind(left.join(", "));
  if (!record.keep) rmSync(record.dir, { recursive: true, force: true });
  rmSync(recordPath(record.run), { force: true });
}

function leftBehind(what: string): LabError {
  return new LabError(
    `The lab could not remove ${what}.`,
    "They stay until the next start of a lab, which tries again.",
    "Look for a process that still uses them (fuser -vm, ip netns pids).",
  );
}

export function namespacesOf(run: string): readonly string[] {
  if (!existsSync("/run/netns")) return [];
  return readdirSync("/run/netns").filter((name) => name.startsWith(runPrefix(run)));
}

/** Mount points below a folder, the newest first. */
export function mountsBelow(dir: string): readonly string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const points = lines.map((line) => line.split(" ")[4] ?? "");
  return points.filter((point) => point.startsWith(`${dir}/`)).reverse();
}

function unmountSync(mount: string): void {
  for (let attempt = 0; attempt < 20; attempt++) {
    if (commandSync("umount", [mount])) return;
    sleepSync(50);
  }
  commandSync("umount", ["--lazy", mount]);
}

function recordPath(run: string): string {
  return join(recordDir, `${run}.json`);
}
