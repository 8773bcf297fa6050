import { rmSync } from "node:fs";
import { join } from "node:path";
import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd } from "../../ports/hypervisor.ts";
import { runCommand } from "../linux/command.ts";
import type { KnockAnswer, PointOrder } from "./door.ts";
import { endDaemon, type Prepared, type Receiving } from "./replica-daemon.ts";
import {
  daemonSocket,
  type Layer,
  nodeOf,
  type Received,
  type ReceivedVolume,
  readReceived,
  syncFile,
  topOf,
  updateReceived,
  writeReceived,
} from "./replica-files.ts";
import { stamped } from "./replica-identity.ts";
import { dropPoint, whileLaid } from "./replica-points.ts";

const createMs = 10_000;
const done: HypervisorEnd = { kind: "done" };
type Point = Received["points"][number];
type Ground = Pick<Point, "origin" | "consistency">;

/**
 * An overlay on each volume, under its exports, all in one transaction of the storage daemon, which flushes what lies below
 * (S20). `also`: what is recorded with it.
 */
export async function takePoint(
  runDir: string,
  receiving: Receiving,
  id: string,
  also: Partial<Received> = {},
  ground: Ground = { origin: "cycle", consistency: "crash" },
): Promise<HypervisorEnd> {
  const known = readReceived(runDir, receiving.vm)?.points.find((point) => point.id === id);
  if (known?.whole === true) return done;
  const end = await preparePoint(runDir, receiving, id);
  return end.kind === "done" ? layPoint(runDir, receiving, id, { ...ground, whole: true }, also) : end;
}

/** Everything but the moment itself: the overlays lie there, and the storage daemon has them open. */
async function preparePoint(runDir: string, receiving: Receiving, id: string): Promise<HypervisorEnd> {
  const { vm, daemon, merge } = receiving;
  const before = readReceived(runDir, vm);
  if (before === undefined || daemon === undefined) return refuse("replica-not-received", { vm });
  if (before.points.some((point) => point.id === id)) return refuse("replica-point-used", { vm, point: id });
  if (merge !== undefined) return refuse("replica-point-merging", { vm });
  await forgetPrepared(runDir, receiving);
  const number = before.lastLayer + 1;
  // Counted first: neither a file nor a node of it is ever met again under its name.
  updateReceived(runDir, vm, () => ({ lastLayer: number }));
  const laid = before.volumes.map((volume, i) => layOn(volume, `v${i}l${number}`, number));
  const onto = before.volumes.map((volume) => topOf(volume).node);
  receiving.prepared = { id, onto, layers: laid.map((volume) => topOf(volume)) };
  for (const [i, volume] of laid.entries()) {
    const trouble =
      (await makeOverlay(before.volumes[i] as ReceivedVolume, volume)) ?? (await opened(receiving, volume));
    if (trouble === undefined) continue;
    await forgetPrepared(runDir, receiving);
    return refuse("replica-point-failed", { vm, detail: trouble });
  }
  return done;
}

async function opened({ daemon }: Receiving, volume: ReceivedVolume): Promise<string | undefined> {
  const layer = { ...nodeOf(volume.folder, topOf(volume)), backing: null };
  const end = await daemon?.execute("blockdev-add", layer);
  if (end?.kind === "done") return undefined;
  return end?.kind === "failed" ? end.description : "its storage daemon does not answer";
}

/** What was prepared and never laid is no part of any copy. */
export async function forgetPrepared(runDir: string, receiving: Receiving): Promise<void> {
  const { vm, daemon, prepared } = receiving;
  receiving.prepared = undefined;
  if (prepared === undefined) return;
  for (const [i, { node, file }] of prepared.layers.entries()) {
    await daemon?.execute("blockdev-del", { "node-name": node });
    const folder = readReceived(runDir, vm)?.volumes[i]?.folder;
    if (folder !== undefined) rmSync(join(folder, file), { force: true });
  }
}

/** `receiving.merge` is nobody's by then, and none begins meanwhile: what is recorded at the end is of the layers of now. */
function layPoint(
  runDir: string,
  receiving: Receiving,
  id: string,
  ground: Ground & { readonly whole: boolean },
  also: Partial<Received> = {},
): Promise<HypervisorEnd> {
  return whileLaid(runDir, receiving, () => lay(runDir, receiving, id, ground, also));
}

async function lay(
  runDir: string,
  receiving: Receiving,
  id: string,
  ground: Ground & { readonly whole: boolean },
  also: Partial<Received>,
): Promise<HypervisorEnd> {
  const { vm, daemon, merge, prepared } = receiving;
  const before = readReceived(runDir, vm);
  if (before === undefined || daemon === undefined) return refuse("replica-not-received", { vm });
  if (merge !== undefined) return refuse("replica-point-merging", { vm });
  if (before.laying === true) return refuse("replica-point-failed", { vm, detail: "an earlier one may be half laid" });
  if (prepared === undefined || !fits(prepared, id, before)) return refuse("replica-point-absent", { vm, point: id });
  const { whole, ...rest } = ground;
  const laid = before.volumes.map((volume, i) => ({
    ...volume,
    layers: [...volume.layers, prepared.layers[i] as Layer],
  }));
  // On record first, and open to whoever comes next: an overlay that nothing was written to changes nothing.
  const points = [...before.points, { ...rest, id, at: Date.now(), whole: false }];
  const after: Received = { ...before, volumes: laid, points };
  receiving.prepared = undefined;
  // Nobody builds upon a daemon of which it is not known whether it did this: an overlay without what lies below it is zeros.
  writeReceived(runDir, { ...after, laying: true });
  const actions = prepared.layers.map(({ node }, i) => ({
    type: "blockdev-snapshot",
    data: { node: prepared.onto[i], overlay: node },
  }));
  const end = await daemon.execute("transaction", { actions });
  if (end.kind === "failed") {
    writeReceived(runDir, before);
    receiving.prepared = prepared;
    await forgetPrepared(runDir, receiving);
    return refuse("replica-point-failed", { vm, detail: end.description });
  }
  if (end.kind !== "done") {
    // The next one begins with what the files say; writes wait until then.
    daemon.close();
    receiving.daemon = undefined;
    await endDaemon(daemon.pid, daemonSocket(runDir, vm));
    return { kind: "unknown", cause: `the storage daemon of ${vm} does not answer` };
  }
  writeReceived(runDir, whole ? { ...asPoint(after, id), ...also } : after);
  return done;
}

function fits({ id, onto }: Prepared, wanted: string, { volumes }: Received): boolean {
  return id === wanted && volumes.length === onto.length && volumes.every((one, i) => topOf(one).node === onto[i]);
}

/** From here on it is a point, and what it holds does not change any more (S20). */
function asPoint(received: Received, id: string, more: Partial<Point> = {}): Received {
  const index = received.points.findIndex((point) => point.id === id);
  const points = received.points.map((point, i) => (i === index ? { ...point, ...more, whole: true } : point));
  return { ...received, points, volumes: received.volumes.map((volume) => stamped(volume, index)) };
}

/** What the host of the run wants of a point, in its turn; `at` null: there is no such point. */
export async function obeyPoint(
  { runDir, receiving, epoch }: { readonly runDir: string; readonly receiving: Receiving; readonly epoch: number },
  { order, id, origin, consistency }: PointOrder,
): Promise<KnockAnswer> {
  const { vm } = receiving;
  const received = readReceived(runDir, vm);
  if (received === undefined || received.epoch !== epoch) return { no: "nothing is received here" };
  if (received.cycles !== null) return { problem: "it is copied in cycles", at: null };
  const ground = { origin, consistency };
  switch (order) {
    case "prepare":
      return told(await preparePoint(runDir, receiving, id), runDir, receiving, id);
    case "take":
      return told(await layPoint(runDir, receiving, id, { ...ground, whole: false }), runDir, receiving, id);
    case "keep":
      return keep(runDir, receiving, id, ground);
    case "drop":
      await forgetPrepared(runDir, receiving);
      return told(await dropPoint(runDir, receiving, id), runDir, receiving, id);
    case "keep-last":
      // Nobody writes meanwhile, and nothing that an earlier connection left lands afterwards.
      if ((await receiving.daemon?.removeExports(() => true)) !== true)
        return { problem: "an earlier connection is still at work", at: null };
      forgetHalfLaid(runDir, vm, id);
      return told(await takePoint(runDir, receiving, id, {}, ground), runDir, receiving, id);
  }
}

/**
 * S18: the name of a branch is given by what was left, and so it is asked for again where its storage daemon died in the midst. What
 * was half laid is nobody's point: the layer above it is one on which the whole one is laid.
 */
function forgetHalfLaid(runDir: string, vm: Received["vm"], id: string): void {
  updateReceived(runDir, vm, ({ points, lastLayer }) => ({
    points: points.map((point) => (point.id === id && !point.whole ? { ...point, id: `${id}~${lastLayer}` } : point)),
  }));
}

/** S20: only by the word of the host of the run that its writes were held all the while. */
function keep(runDir: string, receiving: Receiving, id: string, ground: Ground): KnockAnswer {
  const received = readReceived(runDir, receiving.vm);
  const found = received?.points.find((point) => point.id === id);
  if (received === undefined || found === undefined) return { problem: "it is not there any more", at: null };
  if (!found.whole) writeReceived(runDir, asPoint(received, id, ground));
  return { problem: null, at: found.at };
}

function told(end: HypervisorEnd, runDir: string, { vm }: Receiving, id: string): KnockAnswer {
  if (end.kind === "done") {
    const at = readReceived(runDir, vm)?.points.find((point) => point.id === id)?.at ?? null;
    return { problem: null, at };
  }
  const problem = end.kind === "refused" ? String(end.params["detail"] ?? end.code) : end.cause;
  return { problem, at: null };
}

/** A layer upon each volume, for whoever writes from now on. */
export function layOn(volume: ReceivedVolume, node: string, number: number): ReceivedVolume {
  const file = `${volume.volume}.${number}.qcow2`;
  return { ...volume, layers: [...volume.layers, { file, format: "qcow2", node }] };
}

/** Undefined: it lies there, on the disk. Named relative to its folder: both may be moved together. */
export async function makeOverlay(
  below: ReceivedVolume,
  { folder, sizeMiB, layers }: ReceivedVolume,
): Promise<string | undefined> {
  const base = topOf(below);
  const path = join(folder, layers.at(-1)?.file ?? "");
  const args = ["create", "-q", "-u", "-f", "qcow2", "-b", base.file, "-F", base.format, path, `${sizeMiB}M`];
  const made = await runCommand("qemu-img", args, { limitMs: createMs });
  if (made.status !== 0) return made.stderr.trim();
  // Before anything says that it is the uppermost layer: after a power cut it has to be there.
  syncFile(path);
  syncFile(folder);
  return undefined;
}

/** Of copies that are brought up to date in cycles only a sealed one is a moment that ever was (S20, S25). */
export function takeMirrored(runDir: string, receiving: Receiving, id: string): Promise<HypervisorEnd> {
  const inCycles = (readReceived(runDir, receiving.vm)?.cycles ?? null) !== null;
  return inCycles
    ? Promise.resolve(refuse("replica-in-cycles", { vm: receiving.vm }))
    : takePoint(runDir, receiving, id);
}
