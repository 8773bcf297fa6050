import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Epoch, VmId, VolumeId } from "../../model/ids.ts";
import { consistencySchema, pointOriginSchema } from "../../model/point-records.ts";
import { paramsSchema } from "../../model/reason.ts";
import type { ReplicaIdentity } from "../../model/replica-identity.ts";
import { cycleIdSchema, sealedCycleSchema } from "../../model/replication-cycle.ts";

export const stampSchema = z.object({ inode: z.number(), bytes: z.number(), changedMs: z.number() });

const layerSchema = z.object({
  file: z.string(),
  format: z.enum(["raw", "qcow2"]),
  /** Its name in the storage daemon; never used for another one of this VM. */
  node: z.string(),
  /** What the file system said of it once it was written for the last time: a point never changes (S20, S21). */
  stamp: stampSchema.optional(),
});
export type Layer = z.infer<typeof layerSchema>;

/** The n-th point is what the n-th layer held when the next one was laid on it, or when it was set aside. */
const pointsSchema = z.array(
  z.object({
    id: z.string(),
    at: z.int(),
    whole: z.boolean(),
    origin: pointOriginSchema.default("cycle"),
    consistency: consistencySchema.default("crash"),
  }),
);

/** What was written after a point to which the disks went back: a branch, from the file that it lies `on`. */
const asideSchema = z.object({
  id: z.string(),
  volumes: z.array(
    z.object({ volume: z.string(), folder: z.string(), on: z.string(), layers: z.array(layerSchema).min(1) }),
  ),
  points: pointsSchema,
});

/** What a later agent must know of the copies of one VM that this host receives; also which files they are made of. */
const receivedSchema = z.object({
  schema: z.literal(1),
  vm: z.string().transform((id) => id as VmId),
  epoch: z.int(),
  from: z.string(),
  tls: z.boolean(),
  addresses: z.array(z.string()),
  /** Where the doors were: a source that knows them finds them there again. */
  ports: z.record(z.string(), z.int()),
  /** Of the storage daemon; null: none was started. */
  pid: z.int().nullable(),
  volumes: z.array(
    z.object({
      volume: z.string().transform((id) => id as VolumeId),
      sizeMiB: z.int(),
      folder: z.string(),
      /** A random word for what was made, or found, here: no bitmap of another image fits it (S18, S21). */
      image: z.string().default(""),
      /** As beside its image (S21); kept here as well, so that one that was put back is found out. */
      counter: z.int().default(0),
      /** From the oldest to the one that is written; each but the first is an overlay of the one before. */
      layers: z.array(layerSchema).min(1),
    }),
  ),
  /** `whole` false: not laid on all volumes at one moment, or not wanted; its layer stays until it is merged into the next. */
  points: pointsSchema,
  aside: z.array(asideSchema).default([]),
  /** The last time that the disks went back to a point, by its name; absent: they did not since they were received. */
  wentBack: z.string().optional(),
  /** A point is being laid: what the storage daemon has as its uppermost layers is not known. Absent: none is. */
  laying: z.literal(true).optional(),
  /**
   * Null: each write comes here as it is made. Otherwise: the last cycle that is sealed, and the one that is let in; `pid`:
   * of the storage daemon that has all of it.
   */
  cycles: z
    .object({ last: sealedCycleSchema.nullable(), open: cycleIdSchema.extend({ pid: z.int() }).nullable() })
    .nullable()
    .default(null),
  /** Of the points that cycles leave so many stay; not there: all. */
  keepCycles: z.int().min(1).optional(),
  /** What was found amiss with the copies while it could be seen; a later epoch copies everything anew (S21). */
  trouble: z.object({ code: z.string(), params: paramsSchema }).optional(),
  /** What lay here when this epoch was received first was what the epoch before it had left, as it left it (S15). */
  isAsLeft: z.boolean().default(false),
  /** Counts the layers that were ever laid. */
  lastLayer: z.int(),
});
export type Received = z.infer<typeof receivedSchema>;
export type ReceivedVolume = Received["volumes"][number];

/** S21: beside each image, fsynced, compared before a promotion. */
const identitySchema = z.object({
  schema: z.literal(1),
  vm: z.string().transform((id) => id as VmId),
  volume: z.string().transform((id) => id as VolumeId),
  epoch: z.int().transform((epoch) => epoch as Epoch),
  counter: z.int(),
});

export function receivedFolder(runDir: string, vm: VmId): string {
  return join(runDir, "received", vm);
}

export function daemonSocket(runDir: string, vm: VmId): string {
  return join(receivedFolder(runDir, vm), "qmp.sock");
}

/** Beside the first volume's image too: after the loss of the run folder the layers are still known. */
export function writeReceived(runDir: string, received: Received): void {
  writeDurably(join(receivedFolder(runDir, received.vm), "received.json"), received);
  writeLayers(received);
  writeWatched(runDir, received);
}

/**
 * The images that nobody but their storage daemon may write, each after the file that says who else did (S21), for
 * guard/holdfast-watch.c. Nothing of a copy rests on it: where it cannot be written it is as it was.
 */
export function writeWatched(runDir: string, { vm, volumes }: Received): void {
  const text = volumes
    .flatMap((volume) => volume.layers.map(({ file }) => `${editedNote(volume)}\n${join(volume.folder, file)}\n`))
    .join("");
  const path = watchList(runDir, vm);
  try {
    if (existsSync(path) && readFileSync(path, "utf8") === text) return;
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    // The copy goes on: what is not listed is not watched.
  }
}

/** It goes with the volume's images, and with what says what they are. */
export function editedNote({ folder, volume }: Pick<ReceivedVolume, "folder" | "volume">): string {
  return join(folder, `${volume}.edited`);
}

export function watchList(runDir: string, vm: VmId): string {
  return join(receivedFolder(runDir, vm), "watch.list");
}

/** Every storage daemon of these images: what it writes is no edit (S21). */
export function noteDaemon(socket: string, pid: number): void {
  try {
    appendFileSync(watchPids(dirname(socket)), `${pid}\n`, { mode: 0o600 });
  } catch {
    // It is known by the folder that it names, too.
  }
}

export function watchPids(folder: string): string {
  return join(folder, "watch.pids");
}

/** The same where nothing is received: the run folder is not to say that something is. */
export function writeLayers(received: Received): void {
  const [first] = received.volumes;
  if (first !== undefined) writeDurably(layersFile(first.folder, first.volume), received);
}

/** Of what stands there now: while somebody waited for something, a merge may have changed it. Nothing where it is gone. */
export function updateReceived(runDir: string, vm: VmId, change: (now: Received) => Partial<Received>): void {
  const now = readReceived(runDir, vm);
  if (now !== undefined) writeReceived(runDir, { ...now, ...change(now) });
}

export function readReceived(runDir: string, vm: VmId): Received | undefined {
  return readDurable(join(receivedFolder(runDir, vm), "received.json"), receivedSchema);
}

/** As it stands beside the images, where the run folder has gone with a reboot. */
export function readLayers(folder: string, volume: string): Received | undefined {
  return readDurable(layersFile(folder, volume), receivedSchema);
}

/**
 * What a VM's copies here are made of, by what lies beside the first one's image. `unreadable`: connections of run `epoch` have
 * written there, and what says which layers they wrote is damaged or gone (S21). Its first layer alone would pass for all of it.
 */
export type Lying =
  | { readonly kind: "known"; readonly found: Received | undefined }
  | { readonly kind: "unreadable"; readonly volume: VolumeId; readonly epoch: Epoch; readonly found: undefined };

export function readLying(folder: string, vm: VmId, volume: VolumeId): Lying {
  const found = readLayers(folder, volume);
  if (found?.vm === vm) return { kind: "known", found: { ...found, pid: null } };
  const identity = readIdentity(folder, volume);
  const isWritten = identity?.vm === vm && identity.counter > 0;
  return isWritten && found === undefined
    ? { kind: "unreadable", volume, epoch: identity.epoch, found: undefined }
    : { kind: "known", found: undefined };
}

export function allReceived(runDir: string): readonly Received[] {
  const root = join(runDir, "received");
  if (!existsSync(root)) return [];
  return readdirSync(root).flatMap((vm) => readReceived(runDir, vm as VmId) ?? []);
}

/** An image of it is about to be removed from this pool: nothing is received of its VM any more. */
export function forgetReceived(runDir: string, folder: string, volume: string): void {
  for (const { vm, volumes } of allReceived(runDir))
    if (volumes.some((one) => one.volume === volume && one.folder === folder))
      rmSync(receivedFolder(runDir, vm), { recursive: true, force: true });
}

export function topOf({ folder, layers }: ReceivedVolume): Layer & { readonly path: string } {
  const top = layers.at(-1);
  if (top === undefined) throw new Error("Cannot open a volume without layers");
  return { ...top, path: join(folder, top.file) };
}

/** A layer as the storage daemon opens it. */
export function nodeOf(folder: string, { file, format, node }: Layer): object {
  const below = {
    driver: "file",
    filename: join(folder, file),
    locking: "on",
    discard: "unmap",
    "auto-read-only": true,
  };
  return { driver: format, "node-name": node, file: below, discard: "unmap", "auto-read-only": true };
}

export function writeIdentity(folder: string, identity: ReplicaIdentity): void {
  writeDurably(identityFile(folder, identity.volume), { schema: 1, ...identity });
}

/** Undefined: none lies there, or it is unreadable, which says as little. */
export function readIdentity(folder: string, volume: string): ReplicaIdentity | undefined {
  return readDurable(identityFile(folder, volume), identitySchema);
}

function identityFile(folder: string, volume: string): string {
  return join(folder, `${volume}.replica`);
}

function layersFile(folder: string, volume: string): string {
  return join(folder, `${volume}.layers`);
}

/** Whole or not at all, and on the disk before anybody goes on. */
export function writeDurably(file: string, value: object): void {
  mkdirSync(dirname(file), { recursive: true });
  const descriptor = openSync(`${file}.new`, "w", 0o600);
  writeFileSync(descriptor, JSON.stringify(value));
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(`${file}.new`, file);
  syncFile(dirname(file));
}

/** A file, or a folder with the names in it. */
export function syncFile(path: string): void {
  const descriptor = openSync(path, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** Undefined: it is not there, or of no use. */
export function readDurable<T>(file: string, schema: z.ZodType<T>): T | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}
