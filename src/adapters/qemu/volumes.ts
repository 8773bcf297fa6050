import {
  closeSync,
  existsSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { ClusterId, PoolId } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { Pool } from "../../model/records.ts";
import type { HypervisorEnd, Volumes } from "../../ports/hypervisor.ts";
import { runCommand } from "../linux/command.ts";
import { arrivalMark, foreignThere, markArrival, whatLiesThere } from "./arrived-image.ts";
import { leaveGroupFolders } from "./group-folder.ts";
import { imagePath, isMarked, poolFolder, poolMark } from "./pool-folder.ts";
import { forgetReceived } from "./replica-files.ts";

export type VolumesOptions = {
  readonly cluster: ClusterId;
  /** Pool → folder, where it is not the pool's own path. */
  readonly pools: Readonly<Record<PoolId, string>>;
  /** Of this host: what was received in the images that go is forgotten with them. Not there: nobody receives here. */
  readonly runDir?: string;
};

const mebibyte = 1024 * 1024;
const commandLimitMs = 60_000;
/** A storage that takes longer hangs. */
const syncLimitMs = 30_000;
const markSchema = z.object({ schema: z.literal(1), cluster: z.string(), pool: z.string() });

/** Disk images as files of a pool's folder: sparse, never more of them than the folder has room for when all are full. */
export function openVolumes(options: VolumesOptions): Volumes {
  return {
    create: (pool, volume, sizeMiB, format, done) => answer(create(options, { pool, volume, sizeMiB, format }), done),
    remove: (pool, volume, done) =>
      answer(
        inTurn(poolFolder(options.pools, pool), () => remove(options, pool, volume)),
        done,
      ),
    removeArrived: (pool, volume, epoch, done) =>
      answer(
        inTurn(poolFolder(options.pools, pool), () => removeArrived(options, pool, volume, epoch)),
        done,
      ),
  };
}

const turns = new Map<string, Promise<unknown>>();

/** What changes a folder waits its turn: room is counted and taken in one go, and nothing appears after it was given up. */
function inTurn<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const mine = (turns.get(folder) ?? Promise.resolve()).then(work, work);
  turns.set(folder, mine);
  return mine;
}

function answer(work: Promise<HypervisorEnd>, done: (end: HypervisorEnd) => void): void {
  void work.catch(unknown).then((end) => done(end));
}

function unknown(error: unknown): HypervisorEnd {
  return { kind: "unknown", cause: String(error) };
}

export type NewVolume = {
  readonly pool: Pool;
  readonly volume: string;
  readonly sizeMiB: number;
  readonly format: "raw" | "qcow2";
};

async function create(options: VolumesOptions, wanted: NewVolume): Promise<HypervisorEnd> {
  const folder = poolFolder(options.pools, wanted.pool);
  // Under its own name only when it is whole and on the disk.
  const end = await createAs(options, wanted, async (part, path) => {
    await sync(part);
    renameSync(part, path);
  });
  if (end.kind === "done") await sync(folder);
  return end;
}

/**
 * One for a guest that moves here, which is to be filled: it is there at once, and `onDisk` says when a power loss would leave it
 * there. Refuses where anything of this volume lies there already.
 */
export async function createToFill(
  options: VolumesOptions,
  wanted: NewVolume,
  { vm, epoch }: { readonly vm: string; readonly epoch: number },
): Promise<{ readonly end: HypervisorEnd; readonly onDisk: Promise<HypervisorEnd> }> {
  const folder = poolFolder(options.pools, wanted.pool);
  const { volume } = wanted;
  const path = imagePath(folder, volume, wanted.format);
  const isThere = (): Refusal | undefined => {
    const [name] = existsSync(folder) ? whatLiesThere(folder, volume) : [];
    return name === undefined ? undefined : refuse("move-image-exists", { vm, path: join(folder, name) });
  };
  const name = async (part: string): Promise<void> => {
    markArrival(folder, volume, epoch, part);
    // Unlike a renaming it fails where somebody's file has come about under that name.
    linkSync(part, path);
    rmSync(part, { force: true });
  };
  const end = await createAs(options, wanted, name, isThere).catch(unknown);
  if (end.kind !== "done") return { end, onDisk: Promise.resolve(end) };
  const lost = (error: unknown): HypervisorEnd =>
    refuse("volume-create-failed", { pool: wanted.pool.name, path, detail: String(error) });
  // A move waits for it before it says that it is ready, and holds a turn meanwhile: not for ever.
  const late = sleep(syncLimitMs, undefined, { ref: false }).then(() =>
    lost(`not on the disk within ${syncLimitMs} ms`),
  );
  return {
    end,
    onDisk: Promise.race([
      late,
      Promise.all([sync(path), sync(arrivalMark(folder, volume)), sync(folder)]).then(() => end, lost),
    ]),
  };
}

function createAs(
  options: VolumesOptions,
  wanted: NewVolume,
  name: (part: string, path: string) => Promise<void>,
  isThere?: () => Refusal | undefined,
): Promise<HypervisorEnd> {
  const folder = poolFolder(options.pools, wanted.pool);
  return inTurn(folder, async () => isThere?.() ?? createIn(folder, options, wanted, name));
}

async function createIn(
  folder: string,
  options: VolumesOptions,
  { pool, volume, sizeMiB, format }: NewVolume,
  name: (part: string, path: string) => Promise<void>,
): Promise<HypervisorEnd> {
  const path = imagePath(folder, volume, format);
  const refusal = checkFolder(options, pool, folder);
  if (refusal !== undefined) return refusal;
  if (existsSync(path)) return { kind: "done" };
  const noRoom = checkRoom(pool, folder, sizeMiB);
  if (noRoom !== undefined) return noRoom;
  if (!isMarked(folder)) writeMark(options, pool, folder);
  // Of one that was there before, and that somebody took away: the new one lies on nothing.
  removeWhatItWas(folder, volumeOf(path));
  const part = `${path}.${process.pid}.part`;
  const trouble = await createEmpty(part, sizeMiB, format);
  if (trouble !== undefined) {
    rmSync(part, { force: true });
    return refuse("volume-create-failed", { pool: pool.name, path, detail: trouble });
  }
  await name(part, path);
  return { kind: "done" };
}

/** Undefined: it is there. A raw one is a file of that size with nothing in it: a guest that moves need not wait for qemu-img. */
async function createEmpty(path: string, sizeMiB: number, format: "raw" | "qcow2"): Promise<string | undefined> {
  if (format === "raw") {
    try {
      writeFileSync(path, "", { mode: 0o644 });
      truncateSync(path, sizeMiB * mebibyte);
      return undefined;
    } catch (error) {
      return String(error);
    }
  }
  const end = await runCommand("qemu-img", ["create", "-q", "-f", format, path, `${sizeMiB}M`], {
    limitMs: commandLimitMs,
  });
  return end.status === 0 ? undefined : end.stderr.trim();
}

async function remove(options: VolumesOptions, pool: Pool, volume: string): Promise<HypervisorEnd> {
  const folder = poolFolder(options.pools, pool);
  const refusal = checkFolder(options, pool, folder);
  if (refusal !== undefined) return refusal;
  // S21: what was made here was marked before it: a folder without the mark is not the pool, as a mount point whose disk is away.
  if (!isMarked(folder)) return refuse("pool-mark-missing", { pool: pool.name, path: folder });
  const images = readdirSync(folder).filter((name) => name.startsWith(`${volume}.`) && /\.(?:raw|qcow2)$/u.test(name));
  for (const name of images) {
    const format = name.endsWith(".raw") ? "raw" : "qcow2";
    // Without -U this asks for QEMU's own lock: a disk that somebody has open is never pulled away.
    const end = await runCommand("qemu-img", ["info", "-f", format, join(folder, name)], { limitMs: commandLimitMs });
    if (/Failed to get ".*" lock/u.test(end.stderr)) return refuse("volume-in-use", { volume, pool: pool.name });
  }
  // First: what says that they are received must not outlive them, or the next copy would be made of nothing.
  if (options.runDir !== undefined) forgetReceived(options.runDir, folder, volume);
  for (const name of images) rmSync(join(folder, name), { force: true });
  removeWhatItWas(folder, volume);
  leaveGroupFolders(options.cluster, folder, volume);
  await sync(folder);
  return { kind: "done" };
}

async function removeArrived(
  options: VolumesOptions,
  pool: Pool,
  volume: string,
  epoch: number,
): Promise<HypervisorEnd> {
  const folder = poolFolder(options.pools, pool);
  const foreign = existsSync(folder) ? foreignThere(folder, volume, epoch) : undefined;
  if (foreign === undefined) return remove(options, pool, volume);
  return refuse("volume-not-of-move", { volume, pool: pool.name, path: join(folder, foreign) });
}

/** Layers that were received, what they are, and whose, and what was never finished: each bears the volume's name and a dot. */
function removeWhatItWas(folder: string, volume: string): void {
  for (const name of readdirSync(folder))
    if (
      name.startsWith(`${volume}.`) &&
      /^\.(?:\d+\.qcow2|replica|layers|edited|proof|arriving|.*\.left|.*\.part)$/u.test(name.slice(volume.length))
    )
      rmSync(join(folder, name), { force: true });
}

function volumeOf(path: string): string {
  return basename(path).replace(/\.(?:raw|qcow2)$/u, "");
}

function checkFolder(options: VolumesOptions, pool: Pool, folder: string): Refusal | undefined {
  if (!existsSync(folder)) return refuse("pool-folder-missing", { pool: pool.name, path: folder });
  const file = join(folder, poolMark);
  if (!existsSync(file)) return undefined;
  const mark = markSchema.safeParse(parseJson(readFileSync(file, "utf8")));
  if (mark.success && mark.data.cluster === options.cluster && mark.data.pool === pool.id) return undefined;
  const owner = mark.success ? `${mark.data.cluster}/${mark.data.pool}` : "?";
  return refuse("pool-foreign", { pool: pool.name, path: folder, owner });
}

function writeMark(options: VolumesOptions, pool: Pool, folder: string): void {
  const file = join(folder, poolMark);
  writeFileSync(`${file}.new`, JSON.stringify({ schema: 1, cluster: options.cluster, pool: pool.id }));
  renameSync(`${file}.new`, file);
}

/** Sparse images grow: what they may still take counts as taken, or a guest's write would fail one day. */
function checkRoom(pool: Pool, folder: string, sizeMiB: number): Refusal | undefined {
  const images = readdirSync(folder)
    .filter((name) => /\.(raw|qcow2)$/u.test(name))
    .map((name) => imageSizes(join(folder, name)));
  const promised = images.reduce((sum, { fullBytes }) => sum + fullBytes, 0);
  const growth = images.reduce((sum, { fullBytes, takenBytes }) => sum + Math.max(0, fullBytes - takenBytes), 0);
  const disk = statfsSync(folder);
  const freeMiB = Math.max(0, Math.floor((disk.bavail * disk.bsize - growth) / mebibyte));
  if (sizeMiB > freeMiB) return refuse("pool-full", { pool: pool.name, needMiB: sizeMiB, freeMiB });
  if (pool.quotaMiB === null) return undefined;
  const quotaFreeMiB = Math.max(0, pool.quotaMiB - Math.ceil(promised / mebibyte));
  if (sizeMiB <= quotaFreeMiB) return undefined;
  return refuse("pool-quota", { pool: pool.name, needMiB: sizeMiB, freeMiB: quotaFreeMiB, quotaMiB: pool.quotaMiB });
}

function imageSizes(path: string): { readonly fullBytes: number; readonly takenBytes: number } {
  const { size, blocks } = statSync(path);
  return { fullBytes: path.endsWith(".qcow2") ? qcow2Bytes(path) : size, takenBytes: blocks * 512 };
}

/** The virtual size stands in the header, big-endian, at byte 24. */
function qcow2Bytes(path: string): number {
  const file = openSync(path, "r");
  const header = Buffer.alloc(32);
  const got = readSync(file, header, 0, 32, 0);
  closeSync(file);
  return got === 32 && header.toString("latin1", 0, 3) === "QFI" ? Number(header.readBigUInt64BE(24)) : 0;
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
