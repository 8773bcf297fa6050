import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Epoch, Incarnation, VmId } from "../../model/ids.ts";
import type { VmRun } from "../../ports/hypervisor.ts";

/** What a later agent must know about a run that an earlier one started. */
const runRecordSchema = z.object({
  schema: z.literal(1),
  vm: z.string().transform((id) => id as VmId),
  incarnation: z.int().transform((n) => n as Incarnation),
  epoch: z.int().transform((n) => n as Epoch),
  /**
   * `starting`: nobody has seen its guest execute yet. `halted`: its guest never goes on. The others: its part in a move
   * (ports/hypervisor.ts).
   */
  phase: z.enum(["starting", "running", "halted", "incoming", "arriving", "leaving", "handed"]),
  taps: z.array(z.string()),
});
export type RunRecord = z.infer<typeof runRecordSchema>;

export type RunPaths = {
  readonly folder: string;
  readonly qmp: string;
  readonly vnc: string;
  readonly agent: string;
  readonly serial: string;
  /** QEMU's own stderr. */
  readonly log: string;
};

/** The longest path that fits into a unix socket's address. */
const socketPathMax = 107;

export function runPaths(runDir: string, run: VmRun): RunPaths {
  return pathsIn(join(runDir, "vms", `${run.vm}.${run.epoch}`));
}

/** As of any run's folder, wherever it lies. */
export function pathsIn(folder: string): RunPaths {
  return {
    folder,
    qmp: join(folder, "qmp.sock"),
    vnc: join(folder, "vnc.sock"),
    agent: join(folder, "agent.sock"),
    serial: join(folder, "serial.log"),
    log: join(folder, "qemu.log"),
  };
}

export function pathsFit(paths: RunPaths): boolean {
  return Buffer.byteLength(paths.agent) <= socketPathMax;
}

/** `run.json` is replaced whole: a crash leaves the old or the new one. */
export function writeRunRecord(paths: RunPaths, record: RunRecord): void {
  mkdirSync(paths.folder, { recursive: true });
  const file = join(paths.folder, "run.json");
  writeFileSync(`${file}.new`, JSON.stringify(record));
  renameSync(`${file}.new`, file);
}

/** On record first: a later agent must not take a run for more than it was. */
export function setPhase(
  live: { readonly run: VmRun; readonly paths: RunPaths; readonly taps: readonly string[]; phase: RunRecord["phase"] },
  phase: RunRecord["phase"],
): void {
  writeRunRecord(live.paths, { schema: 1, ...live.run, phase, taps: [...live.taps] });
  live.phase = phase;
}

/** Every run that an agent of this host has left a folder of. Folders without a readable record are of no use. */
export function readRunRecords(runDir: string): readonly RunRecord[] {
  const vms = join(runDir, "vms");
  if (!existsSync(vms)) return [];
  return readdirSync(vms).flatMap((name) => readRecord(join(vms, name, "run.json")));
}

/** By the folders' own names: an adoption that was interrupted left the earlier one in the record. */
export function foldersOf(
  runDir: string,
  vm: VmId,
): readonly { readonly epoch: number; readonly paths: RunPaths; readonly record: RunRecord | undefined }[] {
  const vms = join(runDir, "vms");
  if (!existsSync(vms)) return [];
  return readdirSync(vms).flatMap((name) => {
    const epoch = Number(name.slice(name.lastIndexOf(".") + 1));
    if (name !== `${vm}.${epoch}`) return [];
    const paths = pathsIn(join(vms, name));
    const [record] = readRecord(join(paths.folder, "run.json"));
    return [{ epoch, paths, record }];
  });
}

export function moveRunFolder(from: RunPaths, to: RunPaths): void {
  // Done already by an adoption that was interrupted.
  if (existsSync(to.folder) || !existsSync(from.folder)) return;
  renameSync(from.folder, to.folder);
}

export function removeRunFolder(paths: RunPaths): void {
  rmSync(paths.folder, { recursive: true, force: true });
}

/** The end of QEMU's stderr: what it says when it refuses to start. */
export function lastWords(paths: RunPaths): string {
  if (!existsSync(paths.log)) return "";
  return readFileSync(paths.log, "utf8").trim().slice(-600);
}

function readRecord(file: string): RunRecord[] {
  if (!existsSync(file)) return [];
  try {
    return [runRecordSchema.parse(JSON.parse(readFileSync(file, "utf8")))];
  } catch {
    return [];
  }
}
