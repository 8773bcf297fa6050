import type { HostId, VmId, VolumeId, WallMs } from "../../model/ids.ts";
import { refuse } from "../../model/reason.ts";
import type { SealedCycle } from "../../model/replication-cycle.ts";
import type { VmRun } from "../../ports/hypervisor.ts";
import type { Door } from "../../ports/migration.ts";
import type { PointProver, ProofEnd, ProofRequest } from "../../ports/replication-proof.ts";
import type { Replicas } from "../../runtime/perform-replicas.ts";
import { SimCycleSource } from "../replica/cycle-source.ts";
import { type Answering, type ReplicaWorld, type SimDaemon, type SimDisk, SimMirrorQemu } from "../replica/machine.ts";
import { SimPointSource } from "../replica/point-source.ts";
import { type SimPoint, SimReplicaHost } from "../replica/received.ts";
import { nameOf, SimReplicaSource, SimReplicatedHost } from "../replica/source.ts";
import { SimReplicaTarget } from "../replica/target.ts";
import { type SimNotesFolder, simAloneNotes } from "./alone-notes.ts";
import { runKey } from "./copy.ts";
import { moveAddress } from "./driver-moves.ts";
import type { Copy, SimHost } from "./host.ts";
import type { Life } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

const writeEveryMs = 200;
const blocks = 8;
const cyclesWatched = 8;
const proofMs = 4_000;

/** What one guest wrote to one of its disks since it started, and what it knows to be there. */
export class GuestDisk {
  /** By block: what it was told is there, and everything that it wrote after that. */
  readonly #known: Map<number, readonly number[]>;
  /** By block, in their order: what it was told is there, and when. */
  readonly #told: Map<number, { readonly value: number; readonly at: number }[]>;

  /** `before`: the guest that wrote it earlier: what that one was told stays true of what is found. */
  constructor(found: SimDisk, before?: GuestDisk) {
    this.#known = new Map([...found].map(([block, value]) => [block, [value]]));
    this.#told = new Map([...found].map(([block, value]) => [block, before?.toldUpTo(block, value) ?? []]));
  }

  issue(block: number, value: number): void {
    this.#known.set(block, [...(this.#known.get(block) ?? [0]), value]);
  }

  acknowledge(block: number, value: number, at: number): void {
    const told = this.#told.get(block) ?? [];
    told.push({ value, at });
    this.#told.set(block, told);
    const known = this.#known.get(block) ?? [];
    const place = known.indexOf(value);
    if (place > 0) this.#known.set(block, known.slice(place));
  }

  isWaitingFor(block: number): boolean {
    return (this.#known.get(block)?.length ?? 0) > 1;
  }

  toldUpTo(block: number, value: number): { value: number; at: number }[] {
    const told = this.#told.get(block) ?? [];
    const place = told.findIndex((one) => one.value === value);
    // It landed, and nobody was told: the next guest reads it.
    return place < 0 ? [...told, { value, at: told.at(-1)?.at ?? 0 }] : told.slice(0, place + 1);
  }

  /** When the last write was acknowledged. */
  lastTold(): number {
    return Math.max(...[...this.#told.values()].map((told) => told.at(-1)?.at ?? 0));
  }

  /** When the first write was acknowledged that is not there; infinite: all are. */
  lostSince(disk: SimDisk): number {
    const firsts = this.lostOn(disk).map((block) => {
      const told = this.#told.get(block) ?? [];
      const held = told.findIndex(({ value }) => value === (disk.get(block) ?? 0));
      return told[held + 1]?.at ?? Number.NEGATIVE_INFINITY;
    });
    return Math.min(...firsts);
  }

  /** The blocks whose acknowledged value, or a later one, is not there. */
  lostOn(disk: SimDisk): readonly number[] {
    return [...this.#known].flatMap(([block, values]) => (values.includes(disk.get(block) ?? 0) ? [] : [block]));
  }
}

type Machine = { readonly source: SimReplicatedHost; readonly target: SimReplicaHost; readonly notes: SimNotesFolder };

/** What replication has in a world: disks that lie with one host, relays, storage daemons, and the doors between them. */
export class ReplicaMachines {
  readonly #isOfTwo: boolean;
  readonly #scheduler: Scheduler;
  readonly #world: ReplicaWorld;
  readonly #machines = new Map<HostId, Machine>();
  readonly #doors = new Map<string, Answering>();
  #lastPort = 40_000;
  /** What guests wrote, and what they were told of it: of each of their disks, in their order. */
  readonly guests = new Map<VmId, readonly GuestDisk[]>();
  /** What the cycles of each VM are to hold of its first disk, by their names, oldest first. */
  readonly cycles = new Map<VmId, Map<string, SimDisk>>();
  /** For whoever watches: a connection wrote into a copy that a QEMU of its host has open. */
  onAlone: (vm: VmId, epoch: number) => void = () => undefined;
  onSecondWriter: (host: HostId, vm: VmId) => void = () => undefined;
  /** For whoever watches: a point is laid, or becomes one. */
  onPoint: (host: HostId, vm: VmId, point: SimPoint) => void = () => undefined;

  /** `isOfTwo`: where nobody else votes, hosts note what no store can take (S23). */
  constructor(scheduler: Scheduler, connects: (a: HostId, b: HostId) => boolean, isOfTwo = false) {
    this.#isOfTwo = isOfTwo;
    this.#scheduler = scheduler;
    this.#world = {
      after: (ms, act) => scheduler.after(ms, act),
      now: () => scheduler.now,
      connects,
      find: ({ address, port }: Door) => this.#doors.get(`${address}:${port}`),
      open: (host, address, doorkeeper, cycles, points) => {
        this.#lastPort += 1;
        const port = this.#lastPort;
        this.#doors.set(`${address}:${port}`, { host, doorkeeper, cycles, points });
        return { address, port };
      },
      cycleOf: (vm, { chain, sequence }, disk) => {
        const known = [...(this.cycles.get(vm) ?? [])].slice(1 - cyclesWatched);
        this.cycles.set(vm, new Map([...known, [`${chain}.${sequence}`, new Map(disk)]]));
      },
      leftBehind: (vm, epoch) => {
        // Where its QEMU is gone nobody is told anything any more.
        const all = [...this.#machines.values()].flatMap(({ source }) => [...source.qemus.values()]);
        const isThere = all.some(({ run, isAlive }) => isAlive && run.vm === vm && run.epoch === epoch);
        if (isThere) this.onAlone(vm, epoch);
      },
      landed: (host, disk) => {
        for (const qemu of this.#machines.get(host)?.source.qemus.values() ?? [])
          if (qemu.isAlive && qemu.isOpen && qemu.volumes.some((volume) => volume.disk === disk))
            this.onSecondWriter(host, qemu.run.vm);
      },
    };
  }

  /** The drivers of one daemon's life; what they began outlives them. */
  driversOf(host: SimHost, life: Life): Replicas {
    const machine = this.#machineOf(host);
    const wall = (): number => host.clock.wall();
    const openedAt = this.#scheduler.now;
    const answers = (run: VmRun): boolean => {
      const copy = host.copies.get(runKey(run));
      return copy === undefined || host.answers(copy, openedAt);
    };
    const inLife: ReplicaWorld = { ...this.#world, wall, answers, after: (ms, act) => life.after(ms, act) };
    const source = new SimReplicaSource(inLife, machine.source, this.#world);
    const target = new SimReplicaTarget(inLife, machine.target);
    const cycles = new SimCycleSource(inLife, machine.source);
    for (const driver of [source, target, cycles]) Object.defineProperty(driver, "isOpen", { get: () => !life.ended });
    const watch = source.watchReplicas.bind(source);
    source.watchReplicas = (listener) => watch((event) => life.post(() => listener(event)));
    const points = new SimPointSource(inLife, source);
    const alone = this.#isOfTwo ? { alone: simAloneNotes(machine.notes, inLife.after) } : {};
    return { source, cycles, target, points, prover: new SimProver(inLife, machine.target), ...alone };
  }

  /** A QEMU that waits for its guest: it knows its disks, and has none of them open. */
  awaits(copy: Copy): void {
    const qemu = this.#qemuOf(copy);
    qemu.isOpen = false;
    qemu.hasArrived = () => copy.moving.stream?.isWhole === true;
  }

  /** A QEMU that opens disks of its own host. */
  started(copy: Copy): void {
    const { qemus } = this.#machineOf(copy.host).source;
    // One that waited, and whose disks were made or filled meanwhile, opens what is there now.
    if (qemus.get(nameOf(copy.run))?.relay === undefined) qemus.delete(nameOf(copy.run));
    const qemu = this.#qemuOf(copy);
    qemu.isOpen = true;
    this.takesUp(copy);
    const before = this.guests.get(copy.run.vm);
    const guest = qemu.volumes.map(({ disk }, i) => new GuestDisk(disk, before?.[i]));
    this.guests.set(copy.run.vm, guest);
    this.#writeOn(copy, qemu, guest, 1);
  }

  #qemuOf({ host, vm, run }: Copy): SimMirrorQemu {
    const machine = this.#machineOf(host);
    const known = machine.source.qemus.get(nameOf(run));
    if (known !== undefined) return known;
    const disks = vm.spec.disks.map(({ volume }): [VolumeId, SimDisk] => [volume, diskOf(machine, volume)]);
    const qemu = new SimMirrorQemu(run, new Map(disks), this.#world);
    machine.source.qemus.set(nameOf(run), qemu);
    return qemu;
  }

  /** The guest writes for as long as it executes: a block after the other, each with a value of its own, the disks by turns. */
  #writeOn(copy: Copy, qemu: SimMirrorQemu, guest: readonly GuestDisk[], number: number): void {
    if (!qemu.isAlive) return;
    this.#scheduler.after(writeEveryMs, () => this.#writeOn(copy, qemu, guest, number + 1));
    const index = number % guest.length;
    const disk = guest[index];
    const block = Math.floor(number / guest.length) % blocks;
    // No file system writes a block again while the write before it is under way.
    if (disk === undefined || !copy.host.executes(copy) || disk.isWaitingFor(block)) return;
    const value = copy.run.epoch * 1_000_000 + number;
    disk.issue(block, value);
    qemu.write(index, block, value, () => {
      if (qemu.isAlive) disk.acknowledge(block, value, this.#scheduler.now);
    });
  }

  left({ host, run, local }: Copy): void {
    const { copies } = this.#machineOf(host).target;
    for (const volume of local as readonly VolumeId[]) {
      const copy = copies.get(volume);
      if (copy !== undefined) copy.left = run.epoch;
    }
  }

  /** Whoever left them has them again. */
  takesUp({ host, local }: Copy): void {
    const { copies } = this.#machineOf(host).target;
    for (const volume of local as readonly VolumeId[]) {
      const copy = copies.get(volume);
      if (copy !== undefined) copy.left = undefined;
    }
  }

  isWriting({ host, run }: Copy): boolean {
    return this.#machineOf(host).source.qemus.get(nameOf(run))?.isWriting === true;
  }

  killRelays(vm: string): void {
    for (const { source } of this.#machines.values()) {
      for (const { run, relay } of source.relays.values()) if (run.vm === vm) relay.isAlive = false;
      for (const { run } of source.qemus.values()) if (run.vm === vm) source.cycleRelays.get(nameOf(run))?.loseRelay();
    }
  }

  /** They stand still until that is undone, or until somebody ends them for it. Undefined: there are none. */
  hangRelays(vm: string): (() => void) | undefined {
    const hung: (() => unknown)[] = [];
    for (const { source } of this.#machines.values()) {
      for (const { run, relay } of source.relays.values()) {
        if (run.vm !== vm || !relay.isAlive) continue;
        relay.hang();
        hung.push(() => relay.goOn());
      }
      for (const [name, run] of source.cycleFolders) {
        if (run.vm !== vm) continue;
        const relay = source.cycleRelays.get(name);
        if (relay === undefined) source.hungCycles.add(name);
        relay?.hangRelay();
        hung.push(relay === undefined ? () => source.hungCycles.delete(name) : () => relay.relayGoesOn());
      }
    }
    if (hung.length === 0) return undefined;
    return () => {
      for (const goOn of hung) goOn();
    };
  }

  /** Their connections break off: what is under way is heard of no more, whether or not it arrived. */
  resetRelays(vm: string): void {
    for (const { source } of this.#machines.values())
      for (const { run, relay } of source.relays.values()) if (run.vm === vm) relay.hangUp();
  }

  fill(host: SimHost, isFull: boolean): void {
    this.#machineOf(host).target.isFull = isFull;
  }

  daemonOf(vm: string, host: SimHost): SimDaemon | undefined {
    return this.#machines.get(host.id)?.target.daemons.get(vm as VmId);
  }

  /** It goes on under another name; whoever knows the old one still finds it. */
  adopted({ host, run }: Copy, as: VmRun): void {
    const { source } = this.#machineOf(host);
    const qemu = source.qemus.get(nameOf(run));
    if (qemu !== undefined) source.qemus.set(nameOf(as), qemu);
  }

  ended({ host, run }: Copy): void {
    const { source } = this.#machineOf(host);
    const qemu = source.qemus.get(nameOf(run));
    if (qemu === undefined) return;
    qemu.isAlive = false;
    for (const [name, one] of source.qemus) if (one === qemu) source.qemus.delete(name);
  }

  /** Whether the host has noted that this run goes on without its copy (S23). */
  isNoted(host: HostId, { vm, epoch }: Pick<VmRun, "vm" | "epoch">): boolean {
    return this.#machines.get(host)?.notes.get(vm)?.run.epoch === epoch;
  }

  /** Disks stay; processes and the run folder go. */
  powerOff(host: SimHost): void {
    const machine = this.#machines.get(host.id);
    if (machine === undefined) return;
    const { source, target } = machine;
    for (const { relay } of source.relays.values()) relay.isAlive = false;
    for (const qemu of source.qemus.values()) qemu.isAlive = false;
    source.relays.clear();
    source.qemus.clear();
    source.cycleFolders.clear();
    source.hungCycles.clear();
    target.powerOff();
    for (const [door, { host: of }] of this.#doors) if (of === host.id) this.#doors.delete(door);
  }

  #machineOf(host: SimHost): Machine {
    let machine = this.#machines.get(host.id);
    if (machine === undefined) {
      const { id } = host;
      machine = {
        source: new SimReplicatedHost(id, true),
        target: new SimReplicaHost(id, new Set([moveAddress(host)]), true),
        notes: new Map(),
      };
      machine.target.onPoint = (vm, point) => this.onPoint(id, vm, point);
      this.#machines.set(id, machine);
    }
    return machine;
  }

  /** A live move has copied what lies with one host to another: the last of it once the guest stands still (S15). */
  mirrored(from: SimHost, to: SimHost, volumes: readonly string[]): void {
    const [source, target] = [this.#machineOf(from), this.#machineOf(to)];
    for (const volume of volumes as readonly VolumeId[]) {
      const disk: SimDisk = new Map(diskOf(source, volume));
      target.target.copies.set(volume, { disk, identity: undefined, isEdited: false, left: undefined });
    }
  }

  imageGone(host: SimHost, volume: string): void {
    const target = this.#machines.get(host.id)?.target;
    target?.copies.delete(volume as VolumeId);
    // All that was laid upon it goes along.
    for (const [vm, points] of target?.points ?? [])
      if (points.some(({ disks }) => disks.has(volume as VolumeId))) target?.points.delete(vm);
    for (const known of [target?.received, target?.beside])
      for (const [vm, { volumes }] of known ?? []) if (volumes.includes(volume as VolumeId)) known?.delete(vm);
  }

  /** The last cycle that is sealed at a host, whether it is up or not. */
  sealedAt(host: HostId, vm: VmId): SealedCycle | undefined {
    const target = this.#machines.get(host)?.target;
    return (target?.received.get(vm) ?? target?.beside.get(vm))?.cycles?.last ?? undefined;
  }

  /** For whoever looks from outside: every point of every host, whole or not. */
  *allPoints(): Generator<readonly [HostId, VmId, SimPoint]> {
    for (const [host, { target }] of this.#machines)
      for (const [vm, all] of target.points) for (const point of all) yield [host, vm, point];
  }

  /** Its copies are received there at present. */
  receives(host: HostId, vm: VmId): boolean {
    return this.#machines.get(host)?.target.received.has(vm) === true;
  }

  /** Ids that were ever points there. */
  everPoints(host: HostId, vm: VmId): readonly string[] {
    return [...(this.#machines.get(host)?.target.everPoints.get(vm) ?? [])];
  }

  /** For whoever looks from outside. */
  diskOn(host: SimHost, volume: VolumeId): SimDisk | undefined {
    return this.#machines.get(host.id)?.target.copies.get(volume)?.disk;
  }
}

/** A guest that is booted from a point shows what it should. */
class SimProver implements PointProver {
  readonly #world: ReplicaWorld;
  readonly #host: SimReplicaHost;

  constructor(world: ReplicaWorld, host: SimReplicaHost) {
    this.#world = world;
    this.#host = host;
  }

  prove({ vm, point, checks }: ProofRequest, done: (end: ProofEnd) => void): void {
    const at = (this.#world.wall?.() ?? this.#world.now()) as WallMs;
    this.#world.after(proofMs, () => {
      const isThere = this.#host.points.get(vm.id)?.some(({ id, whole }) => id === point && whole) === true;
      if (!isThere) return done(refuse("replica-point-absent", { vm: vm.name, point }));
      const shown = [{ kind: "boot" }, ...checks].map(({ kind }) => ({ kind, passed: true, detail: "" }));
      done({ kind: "ended", proof: { point, at, tookMs: proofMs, passed: true, checks: shown } });
    });
  }
}

/** The one image of a volume that a host has, whether it is written by a QEMU there or as a copy. */
function diskOf({ target }: Machine, volume: VolumeId): SimDisk {
  const known = target.copies.get(volume);
  if (known !== undefined) return known.disk;
  const disk: SimDisk = new Map();
  target.copies.set(volume, { disk, identity: undefined, isEdited: false, left: undefined });
  return disk;
}
