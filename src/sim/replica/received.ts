import type { Epoch, HostId, VmId, VolumeId } from "../../model/ids.ts";
import type { PointOrigin } from "../../model/point-records.ts";
import type { ReplicaIdentity } from "../../model/replica-identity.ts";
import type { CycleId, SealedCycle } from "../../model/replication-cycle.ts";
import type { Door } from "../../ports/migration.ts";
import type { GoBack } from "../../ports/replication-cycles.ts";
import type { SimDaemon, SimDisk, SimExport } from "./machine.ts";

export type Received = {
  readonly vm: VmId;
  readonly epoch: Epoch;
  readonly from: HostId;
  readonly volumes: readonly VolumeId[];
  /** As this host knows them, besides what lies beside the images. */
  readonly counters: Map<VolumeId, number>;
  /** Another number for each image that was made, or found, here (S21). */
  readonly images: ReadonlyMap<VolumeId, number>;
  /** Of the points that cycles leave so many stay; undefined: all. */
  readonly keepCycles: number | undefined;
  /** What lay here then was what the run before had left. */
  readonly isAsLeft: boolean;
  /** Null: each write comes here as it is made. `daemon`: the one that has all of the cycle that is let in. */
  cycles: { last: SealedCycle | null; open: { readonly id: CycleId; readonly daemon: SimDaemon } | null } | null;
};
/** `left`: by the run of this epoch when it was handed over, and untouched since. `identity` undefined: somebody took it away. `isEdited`: somebody put another image there, or changed a sealed layer. */
type Copied = {
  readonly disk: SimDisk;
  identity: ReplicaIdentity | undefined;
  isEdited: boolean;
  left: Epoch | undefined;
};

/** `whole` false: the host of the run has not said yet that writes were held for it. */
export type SimPoint = {
  readonly id: string;
  readonly at: number;
  readonly disks: ReadonlyMap<VolumeId, SimDisk>;
  readonly origin: PointOrigin;
  readonly whole: boolean;
  /** It is not below the disk any more: that went back to an earlier one. */
  readonly isAside?: true;
};

/** What a host that receives has, whichever agent is there. */
export class SimReplicaHost {
  readonly id: HostId;
  readonly addresses: ReadonlySet<string>;
  readonly copies = new Map<VolumeId, Copied>();
  readonly received = new Map<VmId, Received>();
  /** The same as it lies beside the images: it outlives a power cut. */
  readonly beside = new Map<VmId, Received>();
  readonly daemons = new Map<VmId, SimDaemon>();
  readonly doors = new Map<VmId, readonly Door[]>();
  readonly exports = new Map<VolumeId, SimExport>();
  readonly points = new Map<VmId, SimPoint[]>();
  /** The last time that the disks of a VM went back, by its name. */
  readonly wentBack = new Map<VmId, string>();
  /** Ids of those that were whole at any time. */
  readonly everPoints = new Map<VmId, Set<string>>();
  /** For whoever watches. */
  onPoint: (vm: VmId, point: SimPoint) => void = () => undefined;
  /** What was exported, by path. */
  readonly images = new Map<string, SimDisk>();

  readonly isCertified: boolean;
  /** No write of a copy finds room here any more. */
  isFull = false;

  /** Disks stay; processes and the run folder go. */
  powerOff(): void {
    for (const daemon of this.daemons.values()) daemon.isAlive = false;
    for (const open of this.exports.values()) open.isRemoved = true;
    for (const [vm, { cycles, ...received }] of this.received)
      this.beside.set(vm, { ...received, cycles: cycles === null ? null : { last: cycles.last, open: null } });
    this.exports.clear();
    this.daemons.clear();
    this.received.clear();
    this.doors.clear();
  }

  constructor(id: HostId, addresses: ReadonlySet<string>, isCertified = false) {
    this.id = id;
    this.addresses = addresses;
    this.isCertified = isCertified;
  }
}

/** All disks as they are now. */
export function addPoint(
  host: SimReplicaHost,
  { vm, volumes }: Received,
  id: string,
  at: number,
  ground: Pick<SimPoint, "origin" | "whole"> = { origin: "cycle", whole: true },
): void {
  const disks = volumes.map((volume): [VolumeId, SimDisk] => [volume, new Map(host.copies.get(volume)?.disk ?? [])]);
  setPoint(host, vm, { id, at, disks: new Map(disks), ...ground });
}

/** Instead of what bore its id before. */
export function setPoint(host: SimReplicaHost, vm: VmId, point: SimPoint): void {
  const others = (host.points.get(vm) ?? []).filter(({ id }) => id !== point.id);
  host.points.set(
    vm,
    [...others, point].sort((a, b) => a.at - b.at),
  );
  if (point.whole) host.everPoints.set(vm, (host.everPoints.get(vm) ?? new Set()).add(point.id));
  host.onPoint(vm, point);
}

/** What the disks go back from stays: the points after that one, and what the disks hold now (S18, S20). */
export function setAside(host: SimReplicaHost, vm: VmId, found: SimPoint, { id, keeps }: GoBack, at: number): void {
  const points = host.points.get(vm) ?? [];
  const from = points.indexOf(found);
  const now = points.map((point, i) => {
    if (i <= from || point.isAside === true || !point.whole) return point;
    return {
      ...point,
      origin: point.origin === "branch-kept" ? point.origin : ("branch" as const),
      isAside: true as const,
    };
  });
  // One that never became a point lies nowhere any more.
  const left = now.filter(({ whole, isAside }, i) => i <= from || whole || isAside === true);
  const disks = new Map(
    [...found.disks.keys()].map((volume) => [volume, new Map(host.copies.get(volume)?.disk ?? [])]),
  );
  host.points.set(vm, left);
  host.wentBack.set(vm, id);
  if (keeps) setPoint(host, vm, { id, at, disks, origin: "branch-kept", whole: true, isAside: true });
}
