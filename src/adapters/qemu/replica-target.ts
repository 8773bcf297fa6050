import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { ClusterId, Epoch, HostId, PoolId, VmId } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { HypervisorEnd, Volumes } from "../../ports/hypervisor.ts";
import type { CeaseEnd, ExportEnd, ReceiveEnd, ReceiveRequest, ReplicaTarget } from "../../ports/replication.ts";
import { openDoors, type TlsTexts } from "./door.ts";
import { readTlsTexts, writeTlsFolder } from "./move-tls.ts";
import { imagePath, poolFolder } from "./pool-folder.ts";
import { endDaemon, isDaemonOf, type Receiving, ReplicaDaemon } from "./replica-daemon.ts";
import {
  allReceived,
  daemonSocket,
  nodeOf,
  type Received,
  type ReceivedVolume,
  readIdentity,
  readLayers,
  readReceived,
  receivedFolder,
  topOf,
  writeIdentity,
  writeReceived,
} from "./replica-files.ts";
import { copyTrouble, openInodes } from "./replica-identity.ts";
import { dropPoint, exportPoint, listPoints, takePoint } from "./replica-points.ts";

export type ReplicaTargetOptions = {
  readonly cluster: ClusterId;
  readonly runDir: string;
  /** Pool → folder, where it is not the pool's own path. */
  readonly pools: Readonly<Record<PoolId, string>>;
  readonly certificates?: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly volumes: Volumes;
};

/** `close` lets go of everything: connections and copies go on, and the next driver takes them up. */
export interface QemuReplicaTarget extends ReplicaTarget {
  close(): void;
}

type Target = {
  readonly options: ReplicaTargetOptions;
  readonly vms: Map<VmId, Receiving>;
  closed: boolean;
};

const tlsId = "tls";

/** Takes up at once what an earlier agent received. */
export function openReplicaTarget(options: ReplicaTargetOptions): QemuReplicaTarget {
  const target: Target = { options, vms: new Map(), closed: false };
  for (const received of allReceived(options.runDir))
    if (received.pid !== null && isDaemonOf(received.pid, daemonSocket(options.runDir, received.vm)))
      // Where it fails, `receive` says why.
      void inTurn(target, received.vm, (receiving) => openFor(target, receiving, received)).catch(() => undefined);
  return {
    receive: (request, done) =>
      answer<ReceiveEnd>(
        inTurn(target, request.vm, (r) => receive(target, r, request)),
        done,
      ),
    cease: (vm, done) =>
      answer<CeaseEnd>(
        inTurn(target, vm, (receiving) => cease(target, receiving)),
        done,
      ),
    takePoint: (vm, id, done) =>
      answer<HypervisorEnd>(
        inTurn(target, vm, (one) => takePoint(options.runDir, one, id)),
        done,
      ),
    listPoints: (vm, done) => void listPoints(options.runDir, vm).then(done),
    exportPoint: (vm, id, folder, done) => answer<ExportEnd>(exportPoint(options.runDir, vm, id, folder), done),
    dropPoint: (vm, id, done) =>
      answer<HypervisorEnd>(
        inTurn(target, vm, (one) => dropPoint(options.runDir, one, id)),
        done,
      ),
    close: () => {
      target.closed = true;
      for (const { daemon, closeDoors } of target.vms.values()) {
        closeDoors();
        daemon?.close();
      }
    },
  };
}

type Unknown = { readonly kind: "unknown"; readonly cause: string };

function answer<End>(work: Promise<End>, done: (end: End | Unknown) => void): void {
  void work.catch((error: unknown): Unknown => ({ kind: "unknown", cause: String(error) })).then(done);
}

function inTurn<T>(target: Target, vm: VmId, act: (receiving: Receiving) => Promise<T>): Promise<T> {
  let receiving = target.vms.get(vm);
  if (receiving === undefined) {
    receiving = { vm, daemon: undefined, merging: false, closeDoors: () => undefined, queue: Promise.resolve() };
    target.vms.set(vm, receiving);
  }
  const of = receiving;
  const turn = of.queue.then(() => act(of));
  of.queue = turn.catch(() => undefined);
  return turn;
}

async function receive(target: Target, receiving: Receiving, request: ReceiveRequest): Promise<ReceiveEnd> {
  const { options } = target;
  const known = readReceived(options.runDir, request.vm) ?? recovered(options, request);
  const { vm, epoch } = request;
  if (known !== undefined && known.epoch > epoch) return refuse("replica-epoch-old", { vm, epoch, known: known.epoch });
  for (const one of request.volumes) {
    if (known?.volumes.some(({ volume }) => volume === one.volume) === true) continue;
    const refusal = await makeImage(options, one);
    if (refusal !== undefined) return refusal;
  }
  const volumes = request.volumes.map((one, i) => layersOf(options, known, one, i));
  // S21: a later epoch copies everything; the same one goes on with what lies here, which has to be what it left here.
  const trouble = known?.epoch === epoch ? troubleOf(known, openInodes(known.pid)) : undefined;
  if (trouble !== undefined) return trouble;
  const { from, tls, addresses } = request;
  const received: Received = {
    schema: 1,
    vm,
    epoch,
    from,
    tls,
    addresses: [...addresses],
    ports: known?.ports ?? {},
    pid: known?.pid ?? null,
    volumes,
    points: known?.points ?? [],
    lastLayer: known?.lastLayer ?? 0,
  };
  for (const { folder, volume, counter } of volumes) writeIdentity(folder, { vm, volume, epoch, counter });
  writeReceived(options.runDir, received);
  return openFor(target, receiving, received);
}

/** After a reboot the run folder is empty; what the copies are made of lies beside them. */
function recovered(options: ReplicaTargetOptions, { volumes: [first], vm }: ReceiveRequest): Received | undefined {
  if (first === undefined) return undefined;
  const found = readLayers(poolFolder(options.pools, first.pool), first.volume);
  return found?.vm === vm ? { ...found, pid: null } : undefined;
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
  if (!(await daemonFor(options, receiving, received, tls))) return refuse("replica-daemon-failed", { vm });
  const isEarlier = (id: string): boolean => !id.startsWith(`e${epoch}.`);
  if ((await receiving.daemon?.removeExports(isEarlier)) !== true)
    return { kind: "unknown", cause: `an earlier connection of ${vm} is still at work` };
  const { doors, close } = await openDoors({
    addresses: received.addresses,
    tls,
    from: received.from as HostId,
    expects: { cluster: options.cluster, vm, epoch },
    open: (address, volume) =>
      inTurn(target, vm, () => letIn(options, receiving, received.epoch, address, volume)).catch((error: unknown) => ({
        no: String(error),
      })),
    again: true,
    ports: received.ports,
  });
  receiving.closeDoors = close;
  if (doors.length === 0) return refuse("replica-no-address", { vm, addresses: received.addresses.join(", ") });
  const ports = Object.fromEntries(doors.map(({ address, port }) => [address, port]));
  writeReceived(options.runDir, { ...received, ports, pid: receiving.daemon?.pid ?? null });
  return { kind: "ready", doors };
}

/** The daemon that is there, where it answers; a hung one is ended before another one has the images (S19). */
async function daemonFor(
  options: ReplicaTargetOptions,
  receiving: Receiving,
  received: Received,
  tls: TlsTexts | null,
): Promise<boolean> {
  const socket = daemonSocket(options.runDir, received.vm);
  const { daemon } = receiving;
  if (daemon !== undefined && !daemon.isOver && (await daemon.exports()) !== undefined) return true;
  daemon?.close();
  receiving.daemon = undefined;
  if (received.pid !== null && isDaemonOf(received.pid, socket)) {
    receiving.daemon = await ReplicaDaemon.take(socket, received.pid);
    if (receiving.daemon !== undefined) return true;
    if (!(await endDaemon(received.pid, socket))) return false;
  }
  const secrets = tls === null ? [] : ["--object", json(credentials(writeTlsFolder(join(socket, ".."), tls)))];
  const nodes = received.volumes.flatMap(nodesOf).flatMap((node) => ["--blockdev", json(node)]);
  receiving.daemon = await ReplicaDaemon.start(socket, [...secrets, ...nodes]);
  return receiving.daemon !== undefined;
}

function credentials(dir: string): object {
  return { "qom-type": "tls-creds-x509", id: tlsId, endpoint: "server", dir, "verify-peer": true };
}

/** Each layer by its own name, the lowest first, because each names the one below it. */
function nodesOf({ folder, layers }: ReceivedVolume): readonly object[] {
  return layers.map((layer, i) => ({ ...nodeOf(folder, layer), ...(i === 0 ? {} : { backing: layers[i - 1]?.node }) }));
}

/** One who knocked gets an export of its own, once nothing of an earlier one is left (S19). */
async function letIn(
  options: ReplicaTargetOptions,
  { vm, daemon }: Receiving,
  epoch: Epoch | number,
  address: string,
  volume: string | undefined,
): Promise<{ port: number; name: string; counter: number } | { no: string }> {
  const received = readReceived(options.runDir, vm);
  const index = received?.volumes.findIndex((one) => one.volume === volume) ?? -1;
  const copy = received?.volumes[index];
  if (received === undefined || copy === undefined) return { no: "there is no copy of this volume" };
  if (daemon === undefined || daemon.isOver || received.epoch !== epoch) return { no: "nothing is received here" };
  if (!(await daemon.removeExports((id) => id.split(".")[1] === `v${index}`)))
    return { no: "an earlier connection is still at work" };
  const port = await daemon.listenAt(address, received.tls ? tlsId : null);
  if (port === undefined) return { no: "no port is free" };
  const counter = copy.counter + 1;
  const volumes = received.volumes.map((one) => (one === copy ? { ...one, counter } : one));
  // Beside the image first: there it may be ahead of what is known here, never behind.
  writeIdentity(copy.folder, { vm, volume: copy.volume, epoch: received.epoch as Epoch, counter });
  writeReceived(options.runDir, { ...received, volumes });
  // Nobody guesses it: who has the name came through the door.
  const id = `e${received.epoch}.v${index}.${counter}`;
  const name = `${id}.${randomUUID()}`;
  const end = await daemon.execute("block-export-add", {
    type: "nbd",
    id,
    name,
    "node-name": topOf(copy).node,
    writable: true,
    // A guest's flush does not come this far: each write has to be on the disk before it is answered (S19).
    writethrough: true,
  });
  return end.kind === "done" ? { port, name, counter } : { no: "its storage daemon refuses" };
}

async function cease({ options }: Target, receiving: Receiving): Promise<CeaseEnd> {
  const { vm } = receiving;
  const received = readReceived(options.runDir, vm);
  if (received === undefined) return refuse("replica-not-received", { vm });
  receiving.closeDoors();
  const socket = daemonSocket(options.runDir, vm);
  const orderly = receiving.daemon;
  receiving.daemon = undefined;
  await orderly?.removeExports(() => true);
  const held = openInodes(received.pid);
  const isGone = orderly === undefined ? true : await orderly.quit();
  const rest = received.pid === null || (await endDaemon(received.pid, socket));
  if (!isGone || !rest) return { kind: "unknown", cause: `the storage daemon of ${vm} does not end` };
  const trouble = troubleOf(received, held);
  if (trouble !== undefined) {
    const { code, params } = trouble;
    writeReceived(options.runDir, { ...received, pid: null, trouble: { code, params } });
    return trouble;
  }
  const copies = received.volumes.map((volume) => {
    const { path, format } = topOf(volume);
    const { counter } = readIdentity(volume.folder, volume.volume) ?? volume;
    return { volume: volume.volume, epoch: received.epoch as Epoch, counter, path, format };
  });
  rmSync(receivedFolder(options.runDir, vm), { recursive: true, force: true });
  return { kind: "ceased", copies };
}

/** S21: the first that is not what it should be. */
function troubleOf(received: Received, held: ReadonlySet<number>): Refusal | undefined {
  if (received.trouble !== undefined) return refuse(received.trouble.code, received.trouble.params);
  return received.volumes.map((volume) => copyTrouble(received, volume, held)).find((one) => one !== undefined);
}

function json(value: object): string {
  return JSON.stringify(value);
}
