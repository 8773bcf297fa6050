import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import type { ClusterId, Epoch, HostId, PoolId, VmId } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { HypervisorEnd, Volumes } from "../../ports/hypervisor.ts";
import type { CeaseEnd, ExportEnd, ReceiveEnd, ReceiveRequest, ReplicaTarget } from "../../ports/replication.ts";
import type { CycleTarget } from "../../ports/replication-cycles.ts";
import type { PointProver, ProofEnd, ProofRequest } from "../../ports/replication-proof.ts";
import { errorWords } from "../error-words.ts";
import { isProcessOf } from "../linux/process.ts";
import { type Knock, type KnockAnswer, openDoors } from "./door.ts";
import { claimGroupFolder } from "./group-folder.ts";
import { readTlsTexts } from "./move-tls.ts";
import { clearProofs, provePoint } from "./point-prover.ts";
import { imagePath, poolFolder } from "./pool-folder.ts";
import { dropAnyPoint } from "./replica-branch-drop.ts";
import { cease, troubleOf } from "./replica-cease.ts";
import { obeyCycle, upTo } from "./replica-cycles.ts";
import type { Receiving } from "./replica-daemon.ts";
import { daemonFor, tlsId } from "./replica-daemon-for.ts";
import {
  allReceived,
  daemonSocket,
  type Received,
  type ReceivedVolume,
  readIdentity,
  readReceived,
  topOf,
  updateReceived,
  writeIdentity,
  writeReceived,
} from "./replica-files.ts";
import { dropOfGone } from "./replica-gone.ts";
import { openFiles } from "./replica-identity.ts";
import { forgetLeft, isUntouched } from "./replica-left.ts";
import { obeyPoint, takeMirrored } from "./replica-point-take.ts";
import { dropAside, exportPoint, listPoints, whileRead } from "./replica-points.ts";
import { ceaseForStart, goBack, knownCopies, lying, unreadable } from "./replica-start.ts";
import { keepWatching, type Unwatched, unwatchedCopies, watchOver } from "./replica-watch.ts";

export type ReplicaTargetOptions = {
  readonly cluster: ClusterId;
  readonly runDir: string;
  /** Pool → folder, where it is not the pool's own path. */
  readonly pools: Readonly<Record<PoolId, string>>;
  readonly certificates?: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly volumes: Volumes;
  /** With what a recovery point is booted for a test; default: emulation. */
  readonly accel?: "kvm" | "tcg";
  /** The program that notes who else writes the images; where there is none nobody watches. */
  readonly watch?: string;
};

/** `close` lets go of everything: connections and copies go on, and the next driver takes them up. */
export interface QemuReplicaTarget extends ReplicaTarget, CycleTarget, PointProver {
  /** Copies of which nobody sees who else writes them (S21). */
  unwatched(): readonly Unwatched[];
  close(): void;
}

type Target = {
  readonly options: ReplicaTargetOptions;
  readonly vms: Map<VmId, Receiving>;
  closed: boolean;
};

/** Takes up at once what an earlier agent received. */
export function openReplicaTarget(options: ReplicaTargetOptions): QemuReplicaTarget {
  const target: Target = { options, vms: new Map(), closed: false };
  for (const received of allReceived(options.runDir))
    if (received.pid !== null && isProcessOf(received.pid, daemonSocket(options.runDir, received.vm)))
      // Where it fails, `receive` says why.
      void inTurn(target, received.vm, (receiving) => openFor(target, receiving, received)).catch(() => undefined);
  void clearProofs(options.runDir).catch(() => undefined);
  const stopWatching = keepWatching(options.watch, options.runDir, (vm, act) => inTurn(target, vm, act));
  return {
    unwatched: () => (options.watch === undefined ? [] : unwatchedCopies(options.watch, options.runDir)),
    receive: (request, done) =>
      answer<ReceiveEnd>(
        inTurn(target, request.vm, (r) => receive(target, r, request, "mirror")),
        done,
      ),
    receiveCycles: (request, done) =>
      answer<ReceiveEnd>(
        inTurn(target, request.vm, (r) => receive(target, r, request, "cycles")),
        done,
      ),
    prove: (request, done) => answer<ProofEnd>(prove(target, request), done),
    lastCycle: (vm, done) => done(readReceived(options.runDir, vm)?.cycles?.last ?? null),
    ceaseAt: (vm, volumes, back, done) =>
      answer<CeaseEnd>(
        inTurn(target, vm, (receiving) => goBack(options, receiving, volumes, back)),
        done,
      ),
    ceaseForStart: (vm, volumes, done) =>
      answer<CeaseEnd>(
        inTurn(target, vm, (receiving) => ceaseForStart(options, receiving, volumes)),
        done,
      ),
    cease: (vm, done) =>
      answer<CeaseEnd>(
        inTurn(target, vm, (receiving) => cease(options.runDir, receiving)),
        done,
      ),
    takePoint: (vm, id, done) =>
      answer<HypervisorEnd>(
        inTurn(target, vm, (one) => takeMirrored(options.runDir, one, id)),
        done,
      ),
    listPoints: (of, done) => done(listPoints(knownCopies(options, of))),
    exportPoint: (of, id, folder, done) =>
      answer<ExportEnd>(
        reading(target, of.vm, () => exportPoint(knownCopies(options, of), of.vm, id, folder)),
        done,
      ),
    dropPoint: (of, id, done) =>
      answer<HypervisorEnd>(
        inTurn(target, of.vm, async (one) =>
          of.isGone === true
            ? dropOfGone(options, one, of, id)
            : readReceived(options.runDir, of.vm) === undefined
              ? dropAside(knownCopies(options, of), of.vm, id)
              : dropAnyPoint(options.runDir, one, id),
        ),
        done,
      ),
    close: () => {
      target.closed = true;
      stopWatching();
      for (const { daemon, closeDoors } of target.vms.values()) {
        closeDoors();
        daemon?.close();
      }
    },
  };
}

type Unknown = { readonly kind: "unknown"; readonly cause: string };

function answer<End>(work: Promise<End>, done: (end: End | Unknown) => void): void {
  void work.catch((error: unknown): Unknown => ({ kind: "unknown", cause: errorWords(error) })).then(done);
}

/**
 * What is under way comes first: an earlier agent's storage daemon may still have to be taken up, with what it merges. It counts as
 * read from now on: a cycle that is sealed meanwhile drops no point of this one (S20).
 */
function reading<T>(target: Target, vm: VmId, act: () => Promise<T>): Promise<T> {
  const receiving = receivingOf(target, vm);
  return whileRead(target.options.runDir, receiving, act);
}

/** S20: first whether the point is what it was; then it lies still until the test is over. */
function prove(target: Target, request: ProofRequest): Promise<ProofEnd> {
  const { options } = target;
  const { vm, point } = request;
  return reading(target, vm.id, async () => {
    const received = readReceived(options.runDir, vm.id);
    const isThere = received?.points.some(({ id, whole }) => id === point && whole) === true;
    if (received === undefined || !isThere) return refuse("replica-point-absent", { vm: vm.name, point });
    const trouble = troubleOf(upTo(received, point), new Set());
    const { cluster, runDir, accel = "tcg" } = options;
    return trouble ?? provePoint({ cluster, runDir, accel }, received, request);
  });
}

function receivingOf(target: Target, vm: VmId): Receiving {
  let receiving = target.vms.get(vm);
  if (receiving === undefined) {
    receiving = {
      vm,
      daemon: undefined,
      prepared: undefined,
      merge: undefined,
      readers: 0,
      closeDoors: () => undefined,
      queue: Promise.resolve(),
    };
    target.vms.set(vm, receiving);
  }
  return receiving;
}

function inTurn<T>(target: Target, vm: VmId, act: (receiving: Receiving) => Promise<T>): Promise<T> {
  const of = receivingOf(target, vm);
  const turn = of.queue.then(() => act(of));
  of.queue = turn.catch(() => undefined);
  return turn;
}

async function receive(
  target: Target,
  receiving: Receiving,
  request: ReceiveRequest,
  as: "mirror" | "cycles",
): Promise<ReceiveEnd> {
  const { options } = target;
  const { vm, epoch } = request;
  const there = lying(options, request);
  if (there.kind === "unreadable" && there.epoch >= epoch) return unreadable(vm, there.volume);
  const known = readReceived(options.runDir, vm) ?? there.found;
  if (known !== undefined && known.epoch > epoch) return refuse("replica-epoch-old", { vm, epoch, known: known.epoch });
  const foreign = claimFolders(options, request);
  if (foreign !== undefined) return foreign;
  for (const one of request.volumes) {
    if (known?.volumes.some(({ volume }) => volume === one.volume) === true) continue;
    const refusal = await makeImage(options, one);
    if (refusal !== undefined) return refusal;
  }
  const now = readReceived(options.runDir, vm) ?? known;
  const volumes = request.volumes.map((one, i) => layersOf(options, now, one, i));
  // S21: a later epoch copies everything; the same one goes on with what lies here, which has to be what it left here.
  const trouble = known === undefined ? undefined : troubleOf(known, openFiles(known.pid));
  if (trouble !== undefined && as === "mirror" && known?.epoch === epoch) return trouble;
  // S25: a cycle is built upon the last one only where that is as it was sealed. Otherwise everything is sent.
  const last = trouble === undefined ? (known?.cycles?.last ?? null) : null;
  const { from, tls, addresses } = request;
  const wasThis = known?.epoch === epoch && known.pid !== null;
  const isAsLeft = wasThis ? known.isAsLeft : volumes.every((one) => isUntouched(one, vm, epoch));
  for (const volume of volumes) forgetLeft(volume);
  const received: Received = {
    schema: 1,
    vm,
    epoch,
    from,
    tls,
    addresses: [...addresses],
    ports: now?.ports ?? {},
    pid: now?.pid ?? null,
    volumes,
    points: now?.points ?? [],
    aside: now?.aside ?? [],
    lastLayer: now?.lastLayer ?? 0,
    isAsLeft: isAsLeft && as === "mirror",
    cycles: as === "cycles" ? { last, open: null } : null,
    ...(request.keepCycles === undefined ? {} : { keepCycles: request.keepCycles }),
  };
  for (const { folder, volume, counter } of volumes) writeIdentity(folder, { vm, volume, epoch, counter });
  writeReceived(options.runDir, received);
  return openFor(target, receiving, received);
}

/** In each of its pools, before anything is made there. */
function claimFolders({ cluster, pools }: ReplicaTargetOptions, request: ReceiveRequest): Refusal | undefined {
  const { vm, group, volumes } = request;
  if (group === undefined) return undefined;
  const folderOf = ({ pool }: (typeof volumes)[number]): string => poolFolder(pools, pool);
  for (const folder of new Set(volumes.map(folderOf))) {
    const here = volumes.filter((one) => folderOf(one) === folder).map(({ volume }) => volume);
    // A pool that is not there is refused by whoever makes the image.
    const refusal = existsSync(folder) ? claimGroupFolder(cluster, folder, { ...group, vm, volumes: here }) : undefined;
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function layersOf(
  options: ReplicaTargetOptions,
  known: Received | undefined,
  { volume, pool, sizeMiB, format }: ReceiveRequest["volumes"][number],
  index: number,
): ReceivedVolume {
  const before = known?.volumes.find((one) => one.volume === volume);
  if (before !== undefined) return before;
  const folder = poolFolder(options.pools, pool);
  const counter = readIdentity(folder, volume)?.counter ?? 0;
  return {
    volume,
    sizeMiB,
    folder,
    image: randomUUID(),
    counter,
    layers: [{ file: imagePath("", volume, format), format, node: `v${index}l0` }],
  };
}

async function makeImage(
  { volumes }: ReplicaTargetOptions,
  { pool, volume, sizeMiB, format }: ReceiveRequest["volumes"][number],
): Promise<Refusal | undefined> {
  const end = await new Promise<HypervisorEnd>((done) => volumes.create(pool, volume, sizeMiB, format, done));
  if (end.kind === "done") return undefined;
  return end.kind === "refused" ? end : refuse("replica-image-unclear", { volume, detail: end.cause });
}

/** A daemon that lets in nobody yet, and doors. */
async function openFor(target: Target, receiving: Receiving, received: Received): Promise<ReceiveEnd> {
  const { options } = target;
  const { vm, epoch } = received;
  const tls = received.tls ? readTlsTexts(options) : null;
  if (tls === undefined) return refuse("replica-no-certificate", { vm });
  receiving.closeDoors();
  // Before their daemon: what is written in between is seen, too (S21).
  if (options.watch !== undefined) watchOver(options.watch, options.runDir, received);
  if (!(await daemonFor(options, receiving, received, tls))) return refuse("replica-daemon-failed", { vm });
  const isEarlier = (id: string): boolean => !id.startsWith(`e${epoch}.`);
  const isOld = received.cycles === null ? isEarlier : () => true;
  if ((await receiving.daemon?.removeExports(isOld)) !== true)
    return { kind: "unknown", cause: `an earlier connection of ${vm} is still at work` };
  const { doors, close } = await openDoors({
    addresses: received.addresses,
    tls,
    from: received.from as HostId,
    expects: { cluster: options.cluster, vm, epoch },
    open: (address, volume, known, waits) =>
      inTurn(target, vm, async () =>
        // Its turn came too late: what it would be let in by would end the connection of whoever was let in meanwhile.
        waits() ? letIn(options, receiving, received.epoch, address, volume, known) : { no: "nobody waits for it" },
      ).catch((error: unknown) => ({ no: errorWords(error) })),
    cycle: (order) =>
      inTurn(target, vm, () => {
        const ready = (of: Received): Promise<boolean> => daemonFor(options, receiving, of, tls);
        return obeyCycle({ runDir: options.runDir, receiving, epoch: received.epoch, ready }, order);
      }).catch((error: unknown) => ({ no: errorWords(error) })),
    point: (order) =>
      inTurn(target, vm, () => obeyPoint({ runDir: options.runDir, receiving, epoch: received.epoch }, order)).catch(
        (error: unknown) => ({ no: errorWords(error) }),
      ),
    again: true,
    ports: received.ports,
  });
  receiving.closeDoors = close;
  if (doors.length === 0) return refuse("replica-no-address", { vm, addresses: received.addresses.join(", ") });
  const ports = Object.fromEntries(doors.map(({ address, port }) => [address, port]));
  updateReceived(options.runDir, vm, () => ({ ports, pid: receiving.daemon?.pid ?? null }));
  return { kind: "ready", doors, isAsLeft: received.isAsLeft, lastCycle: received.cycles?.last ?? null };
}

/** One who knocked gets an export of its own, once nothing of an earlier one is left (S19). */
async function letIn(
  options: ReplicaTargetOptions,
  { vm, daemon }: Receiving,
  epoch: Epoch | number,
  address: string,
  volume: string | undefined,
  known: Knock["known"],
): Promise<KnockAnswer> {
  const received = readReceived(options.runDir, vm);
  const index = received?.volumes.findIndex((one) => one.volume === volume) ?? -1;
  const copy = received?.volumes[index];
  if (received === undefined || copy === undefined) return { no: "there is no copy of this volume" };
  // Before its counter grows: otherwise a word that was lost on its way would hide that it is an older one.
  if (known !== undefined && (copy.image !== known.image || copy.counter < known.counter))
    return { no: "it is not what was copied to before", other: true };
  if (daemon === undefined || daemon.isOver || received.epoch !== epoch) return { no: "nothing is received here" };
  if (received.cycles?.open === null || received.laying)
    return { no: "no cycle is under way, or a point is half laid" };
  if (!(await daemon.removeExports((id) => id.split(".")[1] === `v${index}`)))
    return { no: "an earlier connection is still at work" };
  const port = await daemon.listenAt(address, received.tls ? tlsId : null);
  if (port === undefined) return { no: "no port is free" };
  const counter = copy.counter + 1;
  // Beside the image first: there it may be ahead of what is known here, never behind.
  writeIdentity(copy.folder, { vm, volume: copy.volume, epoch: received.epoch as Epoch, counter });
  updateReceived(options.runDir, vm, ({ volumes }) => ({
    volumes: volumes.map((one) => (one.volume === volume ? { ...one, counter } : one)),
  }));
  // Nobody guesses it: who has the name came through the door.
  const id = `e${received.epoch}.v${index}.${counter}`;
  const name = `${id}.${randomUUID()}`;
  const end = await daemon.execute("block-export-add", {
    type: "nbd",
    id,
    name,
    "node-name": topOf(copy).node,
    writable: true,
    // A guest's flush does not come this far: each write has to be on the disk before it is answered (S19). Of a cycle only
    // all of it is, when it is sealed.
    writethrough: received.cycles === null,
  });
  const { isAsLeft } = received;
  return end.kind === "done"
    ? { port, name, image: copy.image, counter, isAsLeft }
    : { no: "its storage daemon refuses" };
}
