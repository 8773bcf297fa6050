import { must } from "../../src/base/assert.ts";
import type { HostId, VmId, VolumeId } from "../../src/model/ids.ts";
import type { VmRun } from "../../src/ports/hypervisor.ts";
import type { ReplicaEvent } from "../../src/ports/replication.ts";
import type { PointSource } from "../../src/ports/replication-points.ts";
import { SimCycleSource } from "../../src/sim/replica/cycle-source.ts";
import { type ReplicaWorld, type SimDisk, SimMirrorQemu, type SimNotes } from "../../src/sim/replica/machine.ts";
import { SimPointSource } from "../../src/sim/replica/point-source.ts";
import { SimReplicaHost } from "../../src/sim/replica/received.ts";
import { nameOf, SimReplicaSource, SimReplicatedHost } from "../../src/sim/replica/source.ts";
import { SimReplicaTarget } from "../../src/sim/replica/target.ts";
import type { CycleRig } from "./cycles-calls.ts";
import { diskNames, run4, type Spoilt, type Write } from "./replication-calls.ts";
import { VirtualClock } from "./sim-rig.ts";

const stepsMax = 100_000;
const laterMs = 500;

function untilBy(clock: VirtualClock): CycleRig["until"] {
  return async (what, holds) => {
    for (let i = 0; !(await holds()); i++)
      if (!clock.step() || i > stepsMax) throw new Error(`Waited in vain until ${what}`);
  };
}

type SimReplicaPair = CycleRig & { readonly pointSource: PointSource; fillTarget(isFull: boolean): void };

/** Two simulated hosts under one clock, with a link that can be cut. */
export async function openSimReplicaPair(): Promise<SimReplicaPair> {
  const { clock, world, link } = openWorld();
  const here = new SimReplicatedHost("a" as HostId);
  const there = new SimReplicaHost("b" as HostId, new Set(["10.0.0.2"]));
  const events: ReplicaEvent[] = [];
  const openSource = (): SimReplicaSource => openWatched(world, here, events);
  let cycleSource = new SimCycleSource(world, here);
  let source = openSource();
  let target = new SimReplicaTarget(world, there);
  const reopenTarget = async (meanwhile?: () => Promise<void>): Promise<void> => {
    target.isOpen = false;
    await meanwhile?.();
    target = new SimReplicaTarget(world, there);
  };
  const until = untilBy(clock);
  return {
    get source() {
      return source;
    },
    get target() {
      return target;
    },
    get pointSource() {
      return new SimPointSource(world, source);
    },
    get cycleSource() {
      return cycleSource;
    },
    get cycleTarget() {
      return target;
    },
    ...{ events, address: "10.0.0.2", foreignAddress: "192.0.2.1" },
    ...guestsOf(here, world),
    // Its connections, while one is under way.
    hasSent: async () => there.exports.size > 0,
    ...lossesOf(there, reopenTarget),
    readCopy: async ({ volume }, block) => there.copies.get(volume)?.disk.get(block) ?? 0,
    exportFolder: "/exports",
    readImage: async (path, block) => there.images.get(path)?.get(block) ?? 0,
    sentMiB: async () => (here.relays.get(nameOf(run4))?.relay.sentBlocks ?? 0) / 16,
    cut: async (isCut) => {
      link.isCut = isCut;
    },
    ...faultsOf(here, there),
    silence: (isSilent) => {
      link.isSilent = isSilent;
    },
    spoil: spoilIn(there),
    reopenSource: async (meanwhile) => {
      source.isOpen = false;
      cycleSource.close();
      await meanwhile?.();
      source = openSource();
      cycleSource = new SimCycleSource(world, here);
    },
    reopenTarget,
    end: async (call) => {
      const ends: Parameters<Parameters<typeof call>[0]>[0][] = [];
      call((end) => ends.push(end));
      await until("the end of a call", () => ends.length > 0);
      return ends[0] as (typeof ends)[number];
    },
    until,
    whileLater: (endsAt = world.now() + laterMs) => until("it is later", () => world.now() >= endsAt),
    close: async () => {
      source.isOpen = false;
      target.isOpen = false;
    },
  };
}

function guestsOf(here: SimReplicatedHost, world: ReplicaWorld) {
  const disks = new Map<VolumeId, SimDisk>(diskNames.map((volume) => [volume as VolumeId, new Map()]));
  const notes: SimNotes = new Map(diskNames.map((volume) => [volume as VolumeId, new Map<string, Set<number>>()]));
  const end = (run: VmRun): void => {
    must(here.qemus.get(nameOf(run)), "Cannot end: no such run").isAlive = false;
  };
  const running = (): SimMirrorQemu | undefined => [...here.qemus.values()].find(({ isAlive }) => isAlive);
  return {
    startRun: async (run: VmRun): Promise<void> => {
      here.qemus.set(nameOf(run), new SimMirrorQemu(run, disks, world, notes));
    },
    stopRun: async (run: VmRun): Promise<void> => end(run),
    killRun: async (run: VmRun): Promise<void> => {
      end(run);
      for (const noted of notes.values()) noted.clear();
    },
    write: (disk: number, block: number, value: number): Write => writeTo(running(), disk, block, value),
    readHere: async (disk: number, block: number): Promise<number> =>
      disks.get(diskNames[disk] as VolumeId)?.get(block) ?? 0,
  };
}

function openWatched(world: ReplicaWorld, here: SimReplicatedHost, events: ReplicaEvent[]): SimReplicaSource {
  const opened = new SimReplicaSource(world, here);
  opened.watchReplicas((event) => events.push(event));
  return opened;
}

function writeTo(qemu: SimMirrorQemu | undefined, disk: number, block: number, value: number): Write {
  const write = { isAcknowledged: false };
  qemu?.write(disk, block, value, () => {
    write.isAcknowledged = true;
  });
  return write;
}

function lossesOf(there: SimReplicaHost, reopenTarget: CycleRig["reopenTarget"]) {
  return {
    rebootTarget: () => reopenTarget(async () => there.powerOff()),
    renewTarget: () =>
      reopenTarget(async () => {
        there.powerOff();
        there.copies.clear();
        there.beside.clear();
      }),
  };
}

function faultsOf(here: SimReplicatedHost, there: SimReplicaHost) {
  return {
    fillTarget: (isFull: boolean): void => {
      there.isFull = isFull;
    },
    killRelay: async (): Promise<void> => {
      for (const { relay } of here.relays.values()) relay.isAlive = false;
    },
    hangRelay: async (): Promise<void> => {
      for (const { relay } of here.relays.values()) relay.hang();
    },
    killDaemon: async (): Promise<void> => {
      for (const daemon of there.daemons.values()) daemon.isAlive = false;
    },
    hangDaemon: async (hangs: boolean): Promise<void> => {
      for (const daemon of there.daemons.values())
        if (hangs) daemon.hangs = true;
        else daemon.goOn();
    },
  };
}

/** As somebody does with the files of a pool. */
function spoilIn(there: SimReplicaHost): (how: Spoilt) => Promise<void> {
  return async (how) => {
    const copy = must(there.copies.get(diskNames[0] as VolumeId), "Cannot spoil: no copy");
    const identity = must(copy.identity, "Cannot spoil: no identity");
    if (how === "missing") copy.identity = undefined;
    else if (how === "foreign") copy.identity = { ...identity, vm: "mail" as VmId };
    else if (how === "restored") copy.identity = { ...identity, counter: identity.counter - 1 };
    else copy.isEdited = true;
  };
}

function openWorld() {
  const clock = new VirtualClock();
  const link = { isCut: false, isSilent: false };
  const doors = new Map<string, NonNullable<ReturnType<ReplicaWorld["find"]>>>();
  const world: ReplicaWorld = {
    after: (ms, act) => clock.after(ms, act),
    now: () => clock.now,
    connects: () => !link.isCut,
    answers: () => !link.isSilent,
    find: ({ address, port }) => doors.get(`${address}:${port}`),
    open: (host, address, doorkeeper, cycles, points) => {
      const port = 40_000 + doors.size;
      doors.set(`${address}:${port}`, { host, doorkeeper, cycles, points });
      return { address, port };
    },
  };
  return { clock, world, link };
}
