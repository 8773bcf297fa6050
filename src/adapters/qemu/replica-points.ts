import { chmodSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { VmId, VolumeId } from "../../model/ids.ts";
import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd } from "../../ports/hypervisor.ts";
import type { ExportEnd, ReplicaPoint } from "../../ports/replication.ts";
import { runCommand } from "../linux/command.ts";
import { isLainUpon, layersAside, pointsAside, removeFiles, takenBytes, withoutAside } from "./replica-aside.ts";
import type { Receiving, ReplicaDaemon } from "./replica-daemon.ts";
import {
  type Received,
  type ReceivedVolume,
  readReceived,
  topOf,
  writeLayers,
  writeReceived,
} from "./replica-files.ts";
import { changeSince, stamped } from "./replica-identity.ts";

const limits = { exportMs: 3_600_000, mergePollMs: 50 } as const;
/** Of the names of jobs. */
const mergePrefix = "merge-";
const mebibyte = 1024 * 1024;
const done: HypervisorEnd = { kind: "done" };

function withoutStamps(volume: ReceivedVolume, indexes: readonly number[]): ReceivedVolume {
  const layers = volume.layers.map(({ stamp, ...layer }, i) =>
    stamp === undefined || indexes.includes(i) ? layer : { ...layer, stamp },
  );
  return { ...volume, layers };
}

/** `undefined`: nothing of this VM ever came here as a copy. */
export function listPoints(received: Received | undefined): readonly ReplicaPoint[] {
  if (received === undefined) return [];
  const main = received.points.flatMap(({ whole, ...point }, i) => {
    const bytes = received.volumes.map(({ folder, layers }) => takenBytes(join(folder, layers[i + 1]?.file ?? "")));
    return whole ? [{ ...point, sizeMiB: Math.ceil(bytes.reduce((sum, one) => sum + one, 0) / mebibyte) }] : [];
  });
  return [...pointsAside(received), ...main];
}

/** The layer of each volume that holds the point; undefined: there is none of that name. */
function layersAt(received: Received, id: string): ReturnType<typeof layersAside> {
  const index = received.points.findIndex((point) => point.id === id && point.whole);
  if (index < 0) return layersAside(received, id);
  return received.volumes.map(({ volume, folder, layers }) => ({ volume, folder, layer: layers[index] }));
}

/** What lies below the layer that is written is open for reading alone, so that a copy may be made while it is received. */
export async function exportPoint(
  received: Received | undefined,
  vm: VmId,
  id: string,
  folder: string,
): Promise<ExportEnd> {
  const found = received === undefined ? undefined : layersAt(received, id);
  if (received === undefined || found === undefined) return refuse("replica-point-absent", { vm, point: id });
  mkdirSync(folder, { recursive: true });
  const there = received.volumes.map(({ volume }) => join(folder, `${volume}.raw`)).find((path) => existsSync(path));
  if (there !== undefined) return refuse("point-export-there", { vm, path: there });
  const images: { volume: VolumeId; path: string }[] = [];
  for (const { volume, folder: from, layer } of found) {
    if (layer === undefined) return refuse("replica-point-absent", { vm, point: id });
    // S20: of those below only while none of them is being merged, which changes the files but not what they hold.
    const detail = changeSince(from, layer);
    if (detail !== undefined) return refuse("replica-edited", { vm, volume, detail });
    const path = join(folder, `${volume}.raw`);
    const args = ["convert", "-U", "-f", layer.format, "-O", "raw", join(from, layer.file), path];
    const end = await runCommand("qemu-img", args, { limitMs: limits.exportMs });
    if (end.status !== 0) return refuse("replica-point-failed", { vm, detail: end.stderr.trim() });
    chmodSync(path, 0o400);
    images.push({ volume: volume as VolumeId, path });
  }
  return { kind: "exported", images };
}

/** From the record on it is no point; what is merged afterwards, and when, changes nothing that anybody can see. */
export async function dropPoint(runDir: string, receiving: Receiving, id: string): Promise<HypervisorEnd> {
  const { vm } = receiving;
  const received = readReceived(runDir, vm);
  if (received === undefined) return refuse("replica-not-received", { vm });
  if (layersAside(received, id) !== undefined) {
    const { aside, gone } = withoutAside(received, id);
    writeReceived(runDir, { ...received, aside: [...aside] });
    removeFiles(gone);
    beginMerge(runDir, receiving);
    return done;
  }
  // S25: what the record of the last sealed cycle promises is not given up before a later one is sealed.
  if (received.cycles?.last?.point === id) return refuse("replica-point-last-cycle", { vm, point: id });
  const points = received.points.map((point) => (point.id === id ? { ...point, whole: false } : point));
  writeReceived(runDir, { ...received, points });
  beginMerge(runDir, receiving);
  return done;
}

/** The same where nothing is received: only what was set aside is not in anybody's way. */
export function dropAside(received: Received | undefined, vm: VmId, id: string): HypervisorEnd {
  if (received === undefined) return refuse("replica-not-received", { vm });
  if (received.points.some((point) => point.id === id && point.whole))
    return refuse("replica-point-below-disk", { vm, point: id });
  const { aside, gone } = withoutAside(received, id);
  writeLayers({ ...received, aside: [...aside] });
  removeFiles(gone);
  return done;
}

/** The points stay as they are on the disk for as long as `act` lasts: what is dropped meanwhile is merged afterwards. */
export async function whileRead<T>(runDir: string, receiving: Receiving, act: () => Promise<T>): Promise<T> {
  receiving.readers += 1;
  try {
    await receiving.queue;
    await receiving.merge;
    return await act();
  } finally {
    receiving.readers -= 1;
    beginMerge(runDir, receiving);
  }
}

/** Whoever knows the layers as they are now works with them until it is over: nothing is merged meanwhile (S20). */
export async function whileLaid<T>(runDir: string, receiving: Receiving, act: () => Promise<T>): Promise<T> {
  receiving.readers += 1;
  try {
    return await act();
  } finally {
    receiving.readers -= 1;
    beginMerge(runDir, receiving);
  }
}

/** What an earlier agent's storage daemon is still merging comes to its end first; what was dropped is merged after it. */
export function takeUpMerges(runDir: string, receiving: Receiving): void {
  receiving.merge ??= mergesOver(receiving)
    .catch(() => undefined)
    .finally(() => {
      receiving.merge = undefined;
      beginMerge(runDir, receiving);
    });
}

async function mergesOver({ daemon }: Receiving): Promise<void> {
  const end = await daemon?.execute("query-jobs");
  if (daemon === undefined || end?.kind !== "done" || !Array.isArray(end.value)) return;
  const jobs = end.value.map((one: { id?: unknown }) => String(one.id));
  for (const job of jobs) if (job.startsWith(mergePrefix)) await jobDone(daemon, job);
}

function beginMerge(runDir: string, receiving: Receiving): void {
  if (receiving.readers === 0) receiving.merge ??= mergeDropped(runDir, receiving).catch(() => undefined);
}

/**
 * Brings what was written after a dropped point into the layer below, until none is left; the last layer is left alone,
 * because it is written: its point goes with the next one. A merge that breaks off is begun anew: both layers stay listed.
 */
async function mergeDropped(runDir: string, receiving: Receiving): Promise<void> {
  try {
    while (receiving.readers === 0 && (await mergeOne(runDir, receiving)));
  } finally {
    receiving.merge = undefined;
  }
}

/** S20: the layer that holds a point, and the one that comes to nothing, stay as they are while a branch lies on them. */
function isToMerge(received: Received, index: number): boolean {
  if (received.points[index]?.whole !== false || index + 1 >= received.points.length) return false;
  return !received.volumes.some((volume) => [index, index + 1].some((one) => isLainUpon(received, volume, one)));
}

/** False: there is none, or it failed. */
async function mergeOne(runDir: string, { vm, daemon }: Receiving): Promise<boolean> {
  const received = readReceived(runDir, vm);
  const index = received?.points.findIndex((_, i) => isToMerge(received, i)) ?? -1;
  if (received === undefined || daemon === undefined || index < 0) return false;
  // What lies on it gets another name to lie on, and what it goes into is written: neither is as it was sealed meanwhile.
  const unstamped = received.volumes.map((volume) => withoutStamps(volume, [index, index + 2]));
  writeReceived(runDir, { ...received, volumes: unstamped });
  if (!(await mergeAt(daemon, received, index))) return false;
  // Whatever else was recorded meanwhile stays.
  const now = readReceived(runDir, vm);
  if (now === undefined) return false;
  // What was merged into is written down by QEMU when it likes: it bears no stamp any more.
  const merged = now.volumes.map((volume) => {
    const left = { ...volume, layers: volume.layers.filter((_, i) => i !== index + 1) };
    return index + 2 < left.layers.length ? stamped(left, index + 1) : left;
  });
  writeReceived(runDir, { ...now, volumes: merged, points: now.points.filter((_, i) => i !== index) });
  for (const { folder, layers } of now.volumes) rmSync(join(folder, layers[index + 1]?.file ?? "-"), { force: true });
  return true;
}

async function mergeAt(daemon: ReplicaDaemon, { volumes }: Received, index: number): Promise<boolean> {
  for (const volume of volumes) {
    const [base, top] = [volume.layers[index], volume.layers[index + 1]];
    if (base === undefined || top === undefined) return false;
    const job = `${mergePrefix}${top.node}`;
    const above = volume.layers[index + 2];
    // Of an agent that died meanwhile; it may have had it done, and did not come to record it.
    await daemon.execute("job-dismiss", { id: job });
    const isDone = above !== undefined && (await liesOn(daemon, above.node, base.node));
    if (!isDone && !(await commit(daemon, job, volume, index))) return false;
    const { kind } = await daemon.execute("blockdev-del", { "node-name": top.node });
    // Of one that is gone, or was left to the next agent, nothing is recorded any more: others may go by the record by now (S21).
    if (kind === "dead" || kind === "late") return false;
  }
  return true;
}

async function commit(daemon: ReplicaDaemon, job: string, volume: ReceivedVolume, index: number): Promise<boolean> {
  const [base, top] = [volume.layers[index], volume.layers[index + 1]];
  const begun = await daemon.execute("block-commit", {
    "job-id": job,
    device: topOf(volume).node,
    "base-node": base?.node,
    "top-node": top?.node,
    "backing-file": base?.file,
    "auto-dismiss": false,
  });
  return begun.kind === "done" && (await jobDone(daemon, job));
}

const graphSchema = z.object({
  nodes: z.array(z.object({ id: z.number(), name: z.string() })),
  edges: z.array(z.object({ parent: z.number(), child: z.number(), name: z.string() })),
});

/**
 * In the storage daemon, whatever is on record. By its nodes: of one that lies on another qcow2 image its file names are a text that
 * says something else than the path.
 */
async function liesOn(daemon: ReplicaDaemon, node: string, below: string): Promise<boolean> {
  const end = await daemon.execute("x-debug-query-block-graph");
  const graph = end.kind === "done" ? graphSchema.safeParse(end.value).data : undefined;
  const idOf = (wanted: string): number | undefined => graph?.nodes.find(({ name }) => name === wanted)?.id;
  const [parent, child] = [idOf(node), idOf(below)];
  if (graph === undefined || parent === undefined || child === undefined) return false;
  return graph.edges.some((edge) => edge.name === "backing" && edge.parent === parent && edge.child === child);
}

async function jobDone(daemon: ReplicaDaemon, job: string): Promise<boolean> {
  for (; ; await sleep(limits.mergePollMs)) {
    const end = await daemon.execute("query-jobs");
    if (end.kind !== "done" || !Array.isArray(end.value)) return false;
    const found = end.value.find((one: { id?: unknown }) => one.id === job);
    if (found === undefined) return false;
    if (found.status !== "concluded") continue;
    await daemon.execute("job-dismiss", { id: job });
    return found.error === undefined;
  }
}
