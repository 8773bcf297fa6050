import type { VmId, VolumeId } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import { identityTrouble } from "../../model/replica-identity.ts";
import type { SealedCycle } from "../../model/replication-cycle.ts";
import type { HypervisorEnd } from "../../ports/hypervisor.ts";
import type {
  CeaseEnd,
  ExportEnd,
  PointsOf,
  ReceiveEnd,
  ReceiveRequest,
  ReplicaCopy,
  ReplicaPoint,
  ReplicaTarget,
  ReplicaVolume,
} from "../../ports/replication.ts";
import type { CycleTarget, GoBack } from "../../ports/replication-cycles.ts";
import { obeyCycle } from "./cycle-target.ts";
import { type Doorkeeper, type ReplicaWorld, SimDaemon, SimExport } from "./machine.ts";
import { obeyPoint } from "./point-target.ts";
import { addPoint, type Received, type SimReplicaHost, setAside } from "./received.ts";

const stepMs = 2;
let lastImage = 0;
function nextImage(): number {
  lastImage += 1;
  return lastImage;
}

/** The agent's side at a host that receives. */
export class SimReplicaTarget implements ReplicaTarget, CycleTarget {
  isOpen = true;
  readonly #world: ReplicaWorld;
  readonly #host: SimReplicaHost;

  constructor(world: ReplicaWorld, host: SimReplicaHost) {
    this.#world = world;
    this.#host = host;
  }

  receive(request: ReceiveRequest, done: (end: ReceiveEnd) => void): void {
    this.#later(() => done(this.#receive(request, false)));
  }

  receiveCycles(request: ReceiveRequest, done: (end: ReceiveEnd) => void): void {
    this.#later(() => done(this.#receive(request, true)));
  }

  lastCycle(vm: VmId, done: (cycle: SealedCycle | null) => void): void {
    this.#later(() => done(this.#host.received.get(vm)?.cycles?.last ?? null));
  }

  ceaseAt(vm: VmId, volumes: readonly ReplicaVolume[], back: GoBack, done: (end: CeaseEnd) => void): void {
    this.#later(() => done(this.#ceaseAt(vm, volumes, back)));
  }

  #ceaseAt(vm: VmId, volumes: readonly ReplicaVolume[], back: GoBack): CeaseEnd {
    const host = this.#host;
    const found = (host.points.get(vm) ?? []).find(({ id, isAside }) => id === back.point && isAside !== true);
    const wentBack = host.wentBack.get(vm) === back.id;
    if (!wentBack && found?.whole !== true) return refuse("replica-point-absent", { vm, point: back.point });
    const received = host.received.get(vm);
    if (received !== undefined) received.cycles = null;
    const end = received === undefined ? ceasedOf(host, volumes) : this.#cease(vm);
    if (end.kind !== "ceased" || wentBack || found === undefined) return end;
    setAside(host, vm, found, back, this.#world.wall?.() ?? this.#world.now());
    for (const [volume, disk] of found.disks) {
      const known = host.copies.get(volume);
      known?.disk.clear();
      for (const [block, value] of disk) known?.disk.set(block, value);
      if (known !== undefined) known.left = undefined;
    }
    return end;
  }

  ceaseForStart(vm: VmId, volumes: readonly ReplicaVolume[], done: (end: CeaseEnd) => void): void {
    this.#later(() => {
      const beside = this.#host.beside.get(vm);
      if (!this.#host.received.has(vm) && beside !== undefined) {
        const trouble = beside.cycles === null ? troubleOf(this.#host, beside) : undefined;
        if (trouble !== undefined) return done(trouble);
        if (beside.cycles !== null) this.#host.received.set(vm, beside);
      }
      const last = this.#host.received.get(vm)?.cycles?.last ?? null;
      const back = last === null ? undefined : { point: last.point, id: last.point, keeps: false };
      done(back === undefined ? this.#cease(vm) : this.#ceaseAt(vm, volumes, back));
    });
  }

  cease(vm: VmId, done: (end: CeaseEnd) => void): void {
    this.#later(() => done(this.#cease(vm)));
  }

  takePoint(vm: VmId, id: string, done: (end: HypervisorEnd) => void): void {
    this.#later(() => {
      const host = this.#host;
      const received = host.received.get(vm);
      const points = host.points.get(vm) ?? [];
      if (received === undefined) return done(refuse("replica-not-received", { vm }));
      if (received.cycles !== null) return done(refuse("replica-in-cycles", { vm }));
      if (points.some((point) => point.id === id)) return done({ kind: "done" });
      addPoint(host, received, id, this.#world.now());
      done({ kind: "done" });
    });
  }

  listPoints({ vm }: PointsOf, done: (points: readonly ReplicaPoint[]) => void): void {
    this.#later(() => {
      const whole = (this.#host.points.get(vm) ?? []).filter((point) => point.whole);
      const inOrder = [...whole.filter(({ isAside }) => isAside), ...whole.filter(({ isAside }) => !isAside)];
      done(inOrder.map(({ id, at, origin }) => ({ id, at, sizeMiB: 0, origin, consistency: "crash" as const })));
    });
  }

  exportPoint({ vm }: PointsOf, id: string, folder: string, done: (end: ExportEnd) => void): void {
    this.#later(() => {
      const point = this.#host.points.get(vm)?.find((one) => one.id === id && one.whole);
      if (point === undefined) return done(refuse("replica-point-absent", { vm, point: id }));
      const images = [...point.disks].map(([volume, disk]) => {
        const path = `${folder}/${volume}.raw`;
        this.#host.images.set(path, new Map(disk));
        return { volume, path };
      });
      done({ kind: "exported", images });
    });
  }

  dropPoint({ vm }: PointsOf, id: string, done: (end: HypervisorEnd) => void): void {
    this.#later(() => {
      const points = this.#host.points.get(vm) ?? [];
      const found = points.find((point) => point.id === id);
      if (!this.#host.received.has(vm) && found !== undefined && found.isAside !== true)
        return done(refuse("replica-point-below-disk", { vm, point: id }));
      this.#host.points.set(
        vm,
        points.filter((point) => point.id !== id),
      );
      done({ kind: "done" });
    });
  }

  #receive({ vm, epoch, from, volumes, addresses, tls, keepCycles }: ReceiveRequest, inCycles: boolean): ReceiveEnd {
    const host = this.#host;
    const known = host.received.get(vm) ?? host.beside.get(vm);
    if (known !== undefined && known.epoch > epoch)
      return refuse("replica-epoch-old", { vm, epoch, known: known.epoch });
    if (tls && !host.isCertified) return refuse("replica-no-certificate", { vm });
    const mine = addresses.filter((address) => host.addresses.has(address));
    if (mine.length === 0) return refuse("replica-no-address", { vm, addresses: addresses.join(", ") });
    const trouble = known === undefined ? undefined : troubleOf(host, known);
    if (trouble !== undefined && !inCycles && known?.epoch === epoch) return trouble;
    const last = trouble === undefined ? (known?.cycles?.last ?? null) : null;
    const counters = new Map<VolumeId, number>();
    const images = new Map<VolumeId, number>();
    const untouched = volumes.every(({ volume }) => host.copies.get(volume)?.left === epoch - 1);
    const before = host.received.get(vm);
    const isAsLeft = before?.epoch === epoch ? before.isAsLeft : untouched && !inCycles;
    for (const { volume } of volumes) {
      const copy = host.copies.get(volume) ?? {
        disk: new Map(),
        identity: undefined,
        isEdited: false,
        left: undefined,
      };
      const counter = known?.counters.get(volume) ?? copy.identity?.counter ?? 0;
      counters.set(volume, counter);
      images.set(volume, known?.images.get(volume) ?? nextImage());
      host.copies.set(volume, { ...copy, identity: { vm, volume, epoch, counter }, left: undefined });
      if (known?.epoch !== epoch) this.#remove(volume);
    }
    const daemon = host.daemons.get(vm);
    if (daemon === undefined || !daemon.isAlive || daemon.hangs) {
      // S19: one that hangs is ended before another one has the images.
      if (daemon !== undefined) daemon.isAlive = false;
      for (const { volume } of volumes) this.#remove(volume);
      host.daemons.set(
        vm,
        new SimDaemon(
          (disk) => this.#world.landed?.(host.id, disk),
          () => host.isFull,
        ),
      );
    }
    host.received.set(vm, {
      vm,
      epoch,
      from,
      volumes: volumes.map(({ volume }) => volume),
      counters,
      images,
      keepCycles,
      isAsLeft,
      cycles: inCycles ? { last, open: null } : null,
    });
    host.beside.delete(vm);
    host.wentBack.delete(vm);
    const doors =
      host.doors.get(vm) ??
      mine.map((address) =>
        this.#world.open(
          host.id,
          address,
          (...knock) => letIn(host, ...knock),
          (...knock) => obeyCycle(host, addPoint, ...knock),
          (...knock) => obeyPoint(host, this.#world.wall?.() ?? this.#world.now(), ...knock),
        ),
      );
    host.doors.set(vm, doors);
    return { kind: "ready", doors, isAsLeft, lastCycle: inCycles ? last : null };
  }

  #cease(vm: VmId): CeaseEnd {
    const host = this.#host;
    const known = host.received.get(vm);
    if (known === undefined) return refuse("replica-not-received", { vm });
    const daemon = host.daemons.get(vm);
    if (daemon !== undefined) daemon.isAlive = false;
    for (const volume of known.volumes) this.#remove(volume);
    if (known.cycles !== null) return refuse("replica-in-cycles", { vm });
    const trouble = troubleOf(host, known);
    if (trouble !== undefined) return trouble;
    host.received.delete(vm);
    host.beside.delete(vm);
    return ceasedOf(
      host,
      known.volumes.map((volume) => ({ volume })),
    );
  }

  #remove(volume: VolumeId): void {
    const open = this.#host.exports.get(volume);
    if (open !== undefined) open.isRemoved = true;
    this.#host.exports.delete(volume);
  }

  #later(act: () => void): void {
    this.#world.after(stepMs, () => {
      if (this.isOpen) act();
    });
  }
}

function ceasedOf(host: SimReplicaHost, volumes: readonly Pick<ReplicaVolume, "volume">[]): CeaseEnd {
  const copies = volumes.flatMap(({ volume }): ReplicaCopy[] => {
    const found = host.copies.get(volume)?.identity;
    if (found === undefined) return [];
    return [{ volume, epoch: found.epoch, counter: found.counter, path: volume, format: "qcow2" }];
  });
  return { kind: "ceased", copies };
}

/** S21, as src/adapters/qemu/replica-identity.ts finds it. */
function troubleOf(host: SimReplicaHost, { vm, epoch, volumes, counters }: Received): Refusal | undefined {
  for (const volume of volumes) {
    const copy = host.copies.get(volume);
    const known = { vm, volume, epoch, counter: counters.get(volume) ?? 0 };
    const trouble = identityTrouble(known, copy?.identity);
    if (trouble !== undefined) return trouble;
    if (copy?.isEdited === true) return refuse("replica-edited", { vm, volume, detail: "it is another file" });
  }
  return undefined;
}

/** One who knocks gets an export of its own; the one before it is removed first (S19). */
function letIn(
  host: SimReplicaHost,
  ...[from, vm, epoch, volume, known]: Parameters<Doorkeeper>
): ReturnType<Doorkeeper> {
  const received = host.received.get(vm);
  const copy = host.copies.get(volume);
  const daemon = host.daemons.get(vm);
  if (received?.epoch !== epoch || received.from !== from || copy === undefined) return undefined;
  if (daemon === undefined || !daemon.isAlive || daemon.hangs || received.cycles?.open === null) return undefined;
  const image = received.images.get(volume) ?? 0;
  if (known === "as-left" && !received.isAsLeft) return "other";
  if (typeof known === "object" && !isKnown(known, image, received.counters.get(volume) ?? 0)) return "other";
  const earlier = host.exports.get(volume);
  if (earlier !== undefined) earlier.isRemoved = true;
  const counter = (received.counters.get(volume) ?? 0) + 1;
  received.counters.set(volume, counter);
  copy.identity = { vm, volume, epoch: received.epoch, counter };
  const open = new SimExport(host.id, daemon, copy.disk, { image, counter });
  host.exports.set(volume, open);
  return open;
}

function isKnown(known: SimExport["known"], image: number, counter: number): boolean {
  return known.image === image && counter >= known.counter;
}
