import { closeSync, existsSync, openSync, readdirSync, readlinkSync, readSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { Epoch } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import { identityTrouble } from "../../model/replica-identity.ts";
import { type Layer, type Received, type ReceivedVolume, readIdentity, topOf } from "./replica-files.ts";

const mebibyte = 1024 * 1024;
/** Of a qcow2 header, in bytes: docs/interop/qcow2.txt of QEMU. */
const qcow2 = { backingOffset: 8, backingLength: 16, size: 24, features: 72, headBytes: 80, corrupt: 2n } as const;

/** Files that a process has open, by their paths of now; one that was removed bears " (deleted)". Empty: it is gone. */
export function openFiles(pid: number | null): ReadonlySet<string> {
  const folder = `/proc/${pid}/fd`;
  if (pid === null || !existsSync(folder)) return new Set();
  return new Set(
    readdirSync(folder).flatMap((name) => {
      try {
        return [readlinkSync(join(folder, name))];
      } catch {
        return [];
      }
    }),
  );
}

/** Of a layer that nobody writes any more. */
export function stampOf(folder: string, file: string): NonNullable<Layer["stamp"]> {
  const { ino, size, mtimeMs } = statSync(join(folder, file));
  return { inode: ino, bytes: size, changedMs: mtimeMs };
}

/** What this layer holds does not change any more (S20). */
export function stamped(volume: ReceivedVolume, index: number): ReceivedVolume {
  const { folder, layers } = volume;
  const marked = layers.map((layer, i) => (i === index ? { ...layer, stamp: stampOf(folder, layer.file) } : layer));
  return { ...volume, layers: marked };
}

/**
 * S21, before anything is started from a copy: it is the one that was received here, all of its layers lie where they did,
 * and nobody has put another file in their place or changed one that was sealed. `held`: files that the storage daemon had
 * open to the last; empty: there was none. What somebody changes in place in the layer that is written is not seen: only
 * the daemon's lock keeps others from that.
 */
export function copyTrouble(
  { vm, epoch, points }: Received,
  volume: ReceivedVolume,
  held: ReadonlySet<string>,
): Refusal | undefined {
  const { folder, counter, layers, sizeMiB } = volume;
  const id = { vm, volume: volume.volume };
  const top = topOf(volume);
  if (!existsSync(top.path)) return refuse("replica-copy-missing", { vm });
  const known = { ...id, epoch: epoch as Epoch, counter };
  const trouble = identityTrouble(known, readIdentity(folder, volume.volume));
  if (trouble !== undefined) return trouble;
  const edited = (detail: string): Refusal => refuse("replica-edited", { ...id, detail });
  if (isReplaced(volume, held)) return edited(`${top.file} was replaced while it was written`);
  for (const [i, layer] of layers.entries()) {
    // In the midst of a merge, or after one that nobody recorded, it lies one further below.
    const below = [layers[i - 1], points[i - 2]?.whole === false ? layers[i - 2] : undefined];
    const detail =
      layerTrouble(join(folder, layer.file), layer, below, sizeMiB) ??
      // One that is being merged changes, and is no point any more.
      (points[i]?.whole === true ? changeSince(folder, layer) : undefined);
    if (detail !== undefined) return edited(detail);
  }
  return undefined;
}

/** What the daemon writes does not lie under its name any more: it was removed, or bears another one. */
function isReplaced(volume: ReceivedVolume, held: ReadonlySet<string>): boolean {
  const { file } = topOf(volume);
  const names = [...held].map((path) => basename(path));
  if (names.includes(`${file} (deleted)`)) return true;
  const known = new Set(volume.layers.map((layer) => layer.file));
  const isOther = (name: string): boolean => name.startsWith(`${volume.volume}.`) && !/ \(deleted\)$/u.test(name);
  return !names.includes(file) && names.some((name) => isOther(name) && !known.has(name));
}

/** S20: a sealed layer that is not as it was. Undefined: it is. */
export function changeSince(folder: string, { file, stamp }: Layer): string | undefined {
  if (stamp === undefined) return undefined;
  if (!existsSync(join(folder, file))) return `${file} is gone`;
  const now = stampOf(folder, file);
  const isSame = now.inode === stamp.inode && now.bytes === stamp.bytes && now.changedMs === stamp.changedMs;
  return isSame ? undefined : `${file} was changed after it was sealed`;
}

function layerTrouble(
  path: string,
  layer: Layer,
  below: readonly (Layer | undefined)[],
  sizeMiB: number,
): string | undefined {
  const { file, format } = layer;
  if (!existsSync(path)) return `${file} is gone`;
  if (format === "raw") return statSync(path).size === sizeMiB * mebibyte ? undefined : `${file} has another size`;
  const header = headerOf(path);
  if (header === undefined) return `${file} is no qcow2 image`;
  if (header.bytes !== sizeMiB * mebibyte) return `${file} has another size`;
  if (header.isCorrupt) return `${file} is marked as corrupt`;
  const lies = basename(header.backing);
  const mayLieOn = below.flatMap((one) => one?.file ?? []);
  return mayLieOn.includes(lies) || (lies === "" && mayLieOn.length === 0) ? undefined : `${file} lies on ${lies}`;
}

function headerOf(
  path: string,
): { readonly bytes: number; readonly backing: string; readonly isCorrupt: boolean } | undefined {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(qcow2.headBytes);
    if (readSync(file, head, 0, head.length, 0) < head.length || head.toString("latin1", 0, 3) !== "QFI")
      return undefined;
    const name = Buffer.alloc(Math.min(1_023, head.readUInt32BE(qcow2.backingLength)));
    readSync(file, name, 0, name.length, Number(head.readBigUInt64BE(qcow2.backingOffset)));
    const isCorrupt = (head.readBigUInt64BE(qcow2.features) & qcow2.corrupt) !== 0n;
    return { bytes: Number(head.readBigUInt64BE(qcow2.size)), backing: name.toString(), isCorrupt };
  } finally {
    closeSync(file);
  }
}
