import type { HostId, VmId, VolumeId, WallMs } from "../../model/ids.ts";
import type { PointOrigin } from "../../model/point-records.ts";
import type { CycleId, SealedCycle } from "../../model/replication-cycle.ts";
import type { VmRun } from "../../ports/hypervisor.ts";
import type { Door } from "../../ports/migration.ts";

// What the simulated replication needs of a simulated world, and what it leaves there: disks, QEMUs, relays and storage
// daemons outlive the agents that began them.

export interface ReplicaWorld {
  after(ms: number, act: () => void): void;
  now(): number;
  /** What the clock of this host says, for people. */
  wall?(): number;
  /** The monitor of this run's QEMU answers the driver; not there: always. */
  answers?(run: VmRun): boolean;
  /** Both ways get through between two hosts. */
  connects(a: HostId, b: HostId): boolean;
  /** Who answers at a door; undefined: nobody. */
  find(door: Door): Answering | undefined;
  open(host: HostId, address: string, doorkeeper: Doorkeeper, cycles?: CycleKeeper, points?: PointKeeper): Door;
  /** For whoever watches: a write of a connection reaches a copy. */
  readonly landed?: (host: HostId, disk: SimDisk) => void;
  /** For whoever watches: what a cycle of the VM is to hold, of its first disk. */
  readonly cycleOf?: (vm: VmId, id: CycleId, disk: ReadonlyMap<number, number>) => void;
  /** From now on writes of this run are answered without the copy. */
  readonly leftBehind?: (vm: VmId, epoch: number) => void;
}

export type Answering = {
  readonly host: HostId;
  readonly doorkeeper: Doorkeeper;
  readonly cycles?: CycleKeeper | undefined;
  readonly points?: PointKeeper | undefined;
};

/** What is wanted of a recovery point, as at the doors of src/adapters/qemu/door.ts; undefined: none is received. */
export type SimPointOrder = {
  readonly order: "prepare" | "take" | "keep" | "drop" | "keep-last";
  readonly id: string;
  readonly origin: PointOrigin;
};
export type SimPointAnswer = { readonly problem: string | null; readonly at: number | null };
export type PointKeeper = (from: HostId, vm: VmId, epoch: number, order: SimPointOrder) => SimPointAnswer | undefined;

/** What is wanted of a cycle, as at the doors of src/adapters/qemu/door.ts; undefined: no cycles are received. */
export type SimCycleOrder = {
  readonly order: "ask" | "open" | "seal";
  readonly id: CycleId | null;
  readonly at: WallMs;
};
export type SimCycleAnswer = { readonly problem: string | null; readonly last: SealedCycle | null };
export type CycleKeeper = (from: HostId, vm: VmId, epoch: number, order: SimCycleOrder) => SimCycleAnswer | undefined;

/** A volume's image as the one who knocks knows it; "as-left": only as the run before left it; undefined: any (S15, S21). */
export type SimKnown = { readonly image: number; readonly counter: number } | "as-left" | undefined;
/** Lets one connection at a time in, to one volume; "other": not what is known; undefined: not this one, or not now. */
export type Doorkeeper = (
  from: HostId,
  vm: VmId,
  epoch: number,
  volume: VolumeId,
  known?: SimKnown,
) => SimExport | "other" | undefined;

/** A disk by blocks of 64 KiB; what was never written is 0. */
export type SimDisk = Map<number, number>;

/** A connection to one copy. From its removal on nothing of it lands any more (S19). */
export class SimExport {
  readonly host: HostId;
  /** Of its image, as it is with this connection. */
  readonly known: Exclude<SimKnown, string | undefined>;
  isRemoved = false;
  readonly #daemon: SimDaemon;
  readonly #disk: SimDisk;

  constructor(host: HostId, daemon: SimDaemon, disk: SimDisk, known: SimExport["known"]) {
    this.host = host;
    this.known = known;
    this.#daemon = daemon;
    this.#disk = disk;
  }

  /** `done` once it is on the disk, or has no room there. A daemon that hangs lets it lie until it goes on. */
  write(block: number, value: number, done: (isWritten: boolean) => void): void {
    const act = (): void => {
      if (this.isRemoved || !this.#daemon.isAlive) return;
      const hasRoom = !this.#daemon.isFull();
      if (hasRoom) {
        this.#disk.set(block, value);
        this.#daemon.landed?.(this.#disk);
      }
      done(hasRoom);
    };
    if (this.#daemon.hangs) this.#daemon.lying.push(act);
    else act();
  }
}

/** A storage daemon: has the copies of one VM open. */
export class SimDaemon {
  isAlive = true;
  hangs = false;
  readonly lying: (() => void)[] = [];
  readonly landed: ((disk: SimDisk) => void) | undefined;
  /** The pool in which its images lie has no room left. */
  readonly isFull: () => boolean;

  constructor(landed?: (disk: SimDisk) => void, isFull = () => false) {
    this.landed = landed;
    this.isFull = isFull;
  }

  goOn(): void {
    this.hangs = false;
    for (const act of this.lying.splice(0)) act();
  }
}

/** What a relay answers to one write. */
export type Answered = "done" | "refused";
export interface SimRelayPort {
  readonly isAlive: boolean;
  write(volume: VolumeId, block: number, value: number, done: (answer: Answered) => void): void;
}

type Volume = {
  readonly volume: VolumeId;
  readonly disk: SimDisk;
  readonly dirty: Set<number>;
  /** Its job stands still: a write was refused. */
  isPaused: boolean;
  copying: boolean;
  /** Blocks written since the moment of a cycle, by its name: lie in the image, and survive an orderly end of its QEMU. */
  readonly noted: Map<string, Set<number>>;
};
export type SimNotes = ReadonlyMap<VolumeId, Map<string, Set<number>>>;
type Pending = { readonly volume: Volume; readonly block: number; readonly value: number; readonly end: () => void };

/** The part of a QEMU that mirrors: it answers its guest once both the disk and the relay have a write. */
export class SimMirrorQemu {
  readonly run: VmRun;
  isAlive = true;
  relay: SimRelayPort | undefined;
  readonly volumes: readonly Volume[];
  /** Of one that waits for its guest: everything of it is there. */
  hasArrived: () => boolean = () => true;
  /** Its guest executes, or may: it has its images open. */
  isOpen = true;
  readonly #world: Pick<ReplicaWorld, "after">;
  readonly #pending = new Set<Pending>();

  constructor(
    run: VmRun,
    disks: ReadonlyMap<VolumeId, SimDisk>,
    world: Pick<ReplicaWorld, "after">,
    notes: SimNotes = new Map(),
  ) {
    this.run = run;
    this.#world = world;
    this.volumes = [...disks].map(([volume, disk]) => ({
      volume,
      disk,
      dirty: new Set(),
      isPaused: false,
      copying: false,
      noted: notes.get(volume) ?? new Map(),
    }));
  }

  write(index: number, block: number, value: number, acknowledged: () => void): void {
    const volume = this.volumes[index];
    if (volume === undefined || !this.isAlive) return;
    volume.disk.set(block, value);
    for (const blocks of volume.noted.values()) blocks.add(block);
    if (this.relay === undefined) this.#world.after(1, acknowledged);
    else this.#send(volume, block, value, acknowledged);
  }

  get isWriting(): boolean {
    return this.#pending.size > 0;
  }

  /** What is written from now on, and nothing else: the replica has the rest (S15). */
  note(relay: SimRelayPort): void {
    this.relay = relay;
    for (const volume of this.volumes) volume.isPaused = false;
  }

  /** All that there is, and each write from now on. */
  mirror(relay: SimRelayPort): void {
    this.relay = relay;
    for (const volume of this.volumes) {
      volume.isPaused = false;
      for (const block of volume.disk.keys()) volume.dirty.add(block);
      this.#copy(volume);
    }
  }

  /** Another relay is there: what had no answer is sent again, in its order. */
  reconnect(relay: SimRelayPort): void {
    this.relay = relay;
    for (const pending of [...this.#pending]) this.#hand(relay, pending);
  }

  resume(): void {
    for (const volume of this.volumes) {
      volume.isPaused = false;
      this.#copy(volume);
    }
  }

  isWhole(): boolean {
    return this.volumes.every(({ dirty, isPaused, copying }) => dirty.size === 0 && !isPaused && !copying);
  }

  /** Its jobs are taken away: nothing waits for them any more, and the next ones begin from the start. */
  end(): void {
    this.relay = undefined;
    for (const { dirty } of this.volumes) dirty.clear();
    for (const pending of [...this.#pending]) if (this.#pending.delete(pending)) pending.end();
  }

  #send(volume: Volume, block: number, value: number, end: () => void): void {
    const pending: Pending = { volume, block, value, end };
    this.#pending.add(pending);
    if (this.relay !== undefined) this.#hand(this.relay, pending);
  }

  #hand(relay: SimRelayPort, pending: Pending): void {
    const { volume, block, value, end } = pending;
    relay.write(volume.volume, block, value, (answer) => {
      if (!this.isAlive || !this.#pending.delete(pending)) return;
      if (answer === "refused") {
        volume.dirty.add(block);
        volume.isPaused = true;
      }
      end();
    });
  }

  /** One block after the other, as long as nothing is refused. */
  #copy(volume: Volume): void {
    const [block] = volume.dirty;
    if (volume.copying || volume.isPaused || !this.isAlive || this.relay === undefined || block === undefined) return;
    volume.copying = true;
    volume.dirty.delete(block);
    this.#send(volume, block, volume.disk.get(block) ?? 0, () => {
      volume.copying = false;
      this.#copy(volume);
    });
  }
}
