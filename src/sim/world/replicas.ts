import type { HostId, VolumeId } from "../../model/ids.ts";
import type { VmRun } from "../../ports/hypervisor.ts";
import type { Door } from "../../ports/migration.ts";
import type { Replicas } from "../../runtime/perform-replicas.ts";
import { type Doorkeeper, type ReplicaWorld, type SimDisk, SimMirrorQemu } from "../replica/machine.ts";
import { nameOf, SimReplicaSource, SimReplicatedHost } from "../replica/source.ts";
import { SimReplicaHost, SimReplicaTarget } from "../replica/target.ts";
import { moveAddress } from "./driver-moves.ts";
import type { Copy, SimHost } from "./host.ts";
import type { Life } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

type Machine = { readonly source: SimReplicatedHost; readonly target: SimReplicaHost };
type Opened = { readonly host: HostId; readonly doorkeeper: Doorkeeper };

/** What replication has in a world: disks that lie with one host, relays, storage daemons, and the doors between them. */
export class ReplicaMachines {
  readonly #scheduler: Scheduler;
  readonly #world: ReplicaWorld;
  readonly #machines = new Map<HostId, Machine>();
  readonly #doors = new Map<string, Opened>();
  #lastPort = 40_000;

  constructor(scheduler: Scheduler, connects: (a: HostId, b: HostId) => boolean) {
    this.#scheduler = scheduler;
    this.#world = {
      after: (ms, act) => scheduler.after(ms, act),
      now: () => scheduler.now,
      connects,
      find: ({ address, port }: Door) => this.#doors.get(`${address}:${port}`),
      open: (host, address, doorkeeper) => {
        this.#lastPort += 1;
        const port = this.#lastPort;
        this.#doors.set(`${address}:${port}`, { host, doorkeeper });
        return { address, port };
      },
    };
  }

  /** The drivers of one daemon's life; what they began outlives them. */
  driversOf(host: SimHost, life: Life): Replicas {
    const machine = this.#machineOf(host);
    const inLife: ReplicaWorld = { ...this.#world, after: (ms, act) => life.after(ms, act) };
    const source = new SimReplicaSource(inLife, machine.source, this.#world);
    const target = new SimReplicaTarget(inLife, machine.target);
    for (const driver of [source, target]) Object.defineProperty(driver, "isOpen", { get: () => !life.ended });
    const watch = source.watchReplicas.bind(source);
    source.watchReplicas = (listener) => watch((event) => life.post(() => listener(event)));
    return { source, target };
  }

  /** A QEMU that opens disks of its own host. */
  started(copy: Copy): void {
    const machine = this.#machineOf(copy.host);
    const disks = copy.vm.spec.disks.map(({ volume }): [VolumeId, SimDisk] => [volume, diskOf(machine, volume)]);
    machine.source.qemus.set(nameOf(copy.run), new SimMirrorQemu(copy.run, new Map(disks), this.#world));
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

  qemuOf({ host, run }: Copy): SimMirrorQemu | undefined {
    return this.#machines.get(host.id)?.source.qemus.get(nameOf(run));
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
    for (const daemon of target.daemons.values()) daemon.isAlive = false;
    for (const open of target.exports.values()) open.isRemoved = true;
    target.exports.clear();
    target.daemons.clear();
    target.received.clear();
    target.doors.clear();
    for (const [door, { host: of }] of this.#doors) if (of === host.id) this.#doors.delete(door);
  }

  #machineOf(host: SimHost): Machine {
    let machine = this.#machines.get(host.id);
    if (machine === undefined) {
      const { id } = host;
      machine = {
        source: new SimReplicatedHost(id, true),
        target: new SimReplicaHost(id, new Set([moveAddress(host)]), true),
      };
      this.#machines.set(id, machine);
    }
    return machine;
  }

  /** For whoever looks from outside. */
  diskOn(host: SimHost, volume: VolumeId): SimDisk | undefined {
    return this.#machines.get(host.id)?.target.copies.get(volume)?.disk;
  }

  now(): number {
    return this.#scheduler.now;
  }
}

/** The one image of a volume that a host has, whether it is written by a QEMU there or as a copy. */
function diskOf({ target }: Machine, volume: VolumeId): SimDisk {
  const known = target.copies.get(volume);
  if (known !== undefined) return known.disk;
  const disk: SimDisk = new Map();
  target.copies.set(volume, { disk, identity: undefined, isEdited: false });
  return disk;
}
