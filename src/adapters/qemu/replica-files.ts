import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { VmId } from "../../model/ids.ts";

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
      volume: z.string(),
      sizeMiB: z.int(),
      folder: z.string(),
      /** From the oldest to the one that is written; each but the first is an overlay of the one before. */
      layers: z.array(z.object({ file: z.string(), format: z.enum(["raw", "qcow2"]) })).min(1),
    }),
  ),
  /** In the order of the layers that they end: the n-th point is what the n-th layer held when the next one was laid on it. */
  points: z.array(z.object({ id: z.string(), at: z.int(), whole: z.boolean() })),
});
export type Received = z.infer<typeof receivedSchema>;
export type ReceivedVolume = Received["volumes"][number];

/** S21: beside each image, fsynced, compared before a promotion. */
const identitySchema = z.object({
  schema: z.literal(1),
  vm: z.string(),
  volume: z.string(),
  epoch: z.int(),
  counter: z.int(),
});
type Identity = z.infer<typeof identitySchema>;

export function receivedFolder(runDir: string, vm: VmId): string {
  return join(runDir, "received", vm);
}

export function daemonSocket(runDir: string, vm: VmId): string {
  return join(receivedFolder(runDir, vm), "qmp.sock");
}

/** Beside the first volume's image too: after the loss of the run folder the layers are still known. */
export function writeReceived(runDir: string, received: Received): void {
  writeDurably(join(receivedFolder(runDir, received.vm), "received.json"), received);
  const [first] = received.volumes;
  if (first !== undefined) writeDurably(layersFile(first.folder, first.volume), received);
}

export function readReceived(runDir: string, vm: VmId): Received | undefined {
  return readFile(join(receivedFolder(runDir, vm), "received.json"), receivedSchema);
}

/** As it stands beside the images, where the run folder has gone with a reboot. */
export function readLayers(folder: string, volume: string): Received | undefined {
  return readFile(layersFile(folder, volume), receivedSchema);
}

export function allReceived(runDir: string): readonly Received[] {
  const root = join(runDir, "received");
  if (!existsSync(root)) return [];
  return readdirSync(root).flatMap((vm) => readReceived(runDir, vm as VmId) ?? []);
}

export function topOf({ folder, layers }: ReceivedVolume): { readonly path: string; readonly format: "raw" | "qcow2" } {
  const top = layers.at(-1);
  if (top === undefined) throw new Error("Cannot open a volume without layers");
  return { path: join(folder, top.file), format: top.format };
}

export function writeIdentity(folder: string, identity: Omit<Identity, "schema">): void {
  writeDurably(identityFile(folder, identity.volume), { schema: 1, ...identity });
}

/** Undefined: none lies there, or it is unreadable, which says as little. */
export function readIdentity(folder: string, volume: string): Identity | undefined {
  return readFile(identityFile(folder, volume), identitySchema);
}

function identityFile(folder: string, volume: string): string {
  return join(folder, `${volume}.replica`);
}

function layersFile(folder: string, volume: string): string {
  return join(folder, `${volume}.layers`);
}

/** Whole or not at all, and on the disk before anybody goes on. */
function writeDurably(file: string, value: object): void {
  mkdirSync(dirname(file), { recursive: true });
  const descriptor = openSync(`${file}.new`, "w", 0o600);
  writeFileSync(descriptor, JSON.stringify(value));
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(`${file}.new`, file);
  const folder = openSync(dirname(file), "r");
  fsyncSync(folder);
  closeSync(folder);
}

function readFile<T>(file: string, schema: z.ZodType<T>): T | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}
