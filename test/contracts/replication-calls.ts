import { expect } from "vitest";
import type { Epoch, HostId, Incarnation, PoolId, VmId, VolumeId, WallMs } from "../../src/model/ids.ts";
import type { Pool } from "../../src/model/records.ts";
import type { HypervisorEnd, VmRun } from "../../src/ports/hypervisor.ts";
import type { Door } from "../../src/ports/migration.ts";
import type {
  AttachRequest,
  CeaseEnd,
  ExportEnd,
  PointsOf,
  ReceiveEnd,
  ReceiveRequest,
  ReplicaCopy,
  ReplicaEvent,
  ReplicaPoint,
  ReplicaSource,
  ReplicaTarget,
} from "../../src/ports/replication.ts";

/** One write of the guest's. */
export type Write = { isAcknowledged: boolean };

export type Spoilt = "missing" | "foreign" | "restored" | "replaced" | "sealed";

/** Two hosts, and a guest with two disks on one of them, real or simulated. */
export interface ReplicationRig {
  readonly source: ReplicaSource;
  readonly target: ReplicaTarget;
  /** All that was told, by every driver of the source. */
  readonly events: readonly ReplicaEvent[];
  readonly address: string;
  /** One that the target does not have. */
  readonly foreignAddress: string;
  /** A QEMU for the run, with the disks as they lie at the source. */
  startRun(run: VmRun): Promise<void>;
  killRun(run: VmRun): Promise<void>;
  /** Writes a block of 64 KiB of the run's disk (0 or 1): `value` all over. */
  write(disk: number, block: number, value: number): Write;
  /** The value of a block at the source; of a copy that nobody has open. */
  readHere(disk: number, block: number): Promise<number>;
  readCopy(copy: ReplicaCopy, block: number): Promise<number>;
  /** Where points are exported to, and what an image there holds. */
  readonly exportFolder: string;
  readImage(path: string, block: number): Promise<number>;
  /** MiB that the relay has sent since it was started. */
  sentMiB(): Promise<number>;
  /** Nothing comes through between the hosts, in either direction, without a word. */
  cut(isCut: boolean): Promise<void>;
  killRelay(): Promise<void>;
  /** It stands still for good. */
  hangRelay(): Promise<void>;
  /** Of the target's storage daemon: its images stay. */
  killDaemon(): Promise<void>;
  /** QEMU runs its guest, and its monitor answers nobody. */
  silence(isSilent: boolean): void;
  /** It stands still, and goes on one day with what it was sent. */
  hangDaemon(hangs: boolean): Promise<void>;
  /**
   * Somebody meddles with the target's pool: takes away what says what the first disk's copy is, puts that of another VM
   * there, or an older state; or replaces the image that is written by a copy of it, or writes into a sealed layer.
   */
  spoil(how: Spoilt): Promise<void>;
  /** Its host gets another disk while it is off: nothing that was received there is left. */
  renewTarget(): Promise<void>;
  /** The agent of one host is away; `meanwhile`, then another one is there. */
  reopenSource(meanwhile?: () => Promise<void>): Promise<void>;
  reopenTarget(meanwhile?: () => Promise<void>): Promise<void>;
  end<T>(call: (done: (end: T) => void) => void): Promise<T>;
  until(what: string, holds: () => boolean | Promise<boolean>): Promise<void>;
  /** As long as something wrong would take to show. */
  whileLater(): Promise<void>;
  close(): Promise<void>;
}

export const done: HypervisorEnd = { kind: "done" };
const incarnation = 1 as Incarnation;
export const run4: VmRun = { vm: "web" as VmId, incarnation, epoch: 4 as Epoch };
export const run5: VmRun = { ...run4, epoch: 5 as Epoch };
export const diskMiB = 4;
/** Blocks of 64 KiB in each disk. */
export const blocks = diskMiB * 16;
export const diskNames = ["web-0", "web-1"] as const;
/** As short as a relay can tell it, for tests that wait for it. */
const waitMs = 300;

export const pool: Pool = {
  schema: 1,
  id: "pool" as PoolId,
  name: "pool",
  kind: "replicated",
  path: "/nowhere",
  quotaMiB: null,
  createdAt: 0 as WallMs,
};

export function receiveRequest(address: string, over: Partial<ReceiveRequest> = {}): ReceiveRequest {
  return {
    vm: run4.vm,
    epoch: run4.epoch,
    from: "a" as HostId,
    volumes: diskNames.map((volume) => ({ volume: volume as VolumeId, pool, sizeMiB: diskMiB, format: "qcow2" })),
    addresses: [address],
    tls: false,
    ...over,
  };
}

export function pointsOf({ address }: Pick<ReplicationRig, "address">): PointsOf {
  return { vm: run4.vm, volumes: receiveRequest(address).volumes };
}

/** One call each; `current`: the hosts of the test that runs. */
function callsOf(current: () => ReplicationRig) {
  const ask = (call: (source: ReplicaSource, end: (end: HypervisorEnd) => void) => void): Promise<HypervisorEnd> =>
    current().end((end) => call(current().source, end));
  const receive = (over: Partial<ReceiveRequest> = {}) =>
    current().end<ReceiveEnd>((end) => current().target.receive(receiveRequest(current().address, over), end));
  const doorsFor = async (over: Partial<ReceiveRequest> = {}): Promise<readonly Door[]> => {
    const end = await receive(over);
    if (end.kind !== "ready") throw new Error(`The target does not receive: ${JSON.stringify(end)}`);
    return end.doors;
  };
  const attach = (doors: readonly Door[], run = run4, over: Partial<AttachRequest> = {}) => {
    const volumes = diskNames.map((volume) => ({ volume: volume as VolumeId, sizeMiB: diskMiB }));
    const request = { to: "b" as HostId, doors, tls: false, volumes, waitMs, ...over };
    return ask((source, end) => source.attach(run, request, end));
  };
  const confirm = (run = run4) => ask((source, end) => source.confirm(run, end));
  const cease = () => current().end<CeaseEnd>((end) => current().target.cease(run4.vm, end));
  let exports = 0;
  return {
    receive,
    doorsFor,
    attach,
    confirm,
    cease,
    goOnAlone: (run = run4) => ask((source, end) => source.goOnAlone(run, end)),
    resync: (doors: readonly Door[], run = run4) => ask((source, end) => source.resync(run, doors, end)),
    detach: (run = run4) => ask((source, end) => source.detach(run, end)),
    takePoint: (id: string) => current().end<HypervisorEnd>((end) => current().target.takePoint(run4.vm, id, end)),
    dropPoint: (id: string) =>
      current().end<HypervisorEnd>((end) => current().target.dropPoint(pointsOf(current()), id, end)),
    points: async (): Promise<readonly string[]> =>
      (
        await current().end<readonly ReplicaPoint[]>((end) => current().target.listPoints(pointsOf(current()), end))
      ).map(({ id }) => id),
    /** What a point holds of one block of each disk. */
    atPoint: async (id: string, block: number): Promise<readonly number[]> => {
      // Nothing is ever overwritten.
      exports += 1;
      const folder = `${current().exportFolder}/${exports}`;
      const end = await current().end<ExportEnd>((ended) =>
        current().target.exportPoint(pointsOf(current()), id, folder, ended),
      );
      if (end.kind !== "exported") throw new Error(`Not exported: ${JSON.stringify(end)}`);
      return Promise.all(end.images.map(({ path }) => current().readImage(path, block)));
    },
    bar: () => ask((source, end) => source.bar(run4, end)),
    unbar: () => ask((source, end) => source.unbar(run4, end)),
  };
}

/** What the tests do with both hosts, and see of them. */
export function replicasOf(current: () => ReplicationRig) {
  const calls = callsOf(current);
  const { doorsFor, attach, confirm, cease, goOnAlone } = calls;
  const told = (kind: ReplicaEvent["kind"]) => current().events.filter((event) => event.kind === kind);
  const inSync = async (run = run4): Promise<void> => {
    await current().until("everything is copied", async () => (await confirm(run)).kind === "done");
  };
  const write = async (disk: number, block: number, value: number): Promise<void> => {
    const one = current().write(disk, block, value);
    await current().until("the write is acknowledged", () => one.isAcknowledged);
  };
  return {
    ...calls,
    told,
    inSync,
    write,
    /** A run with a replica in sync. */
    attached: async (tellAfterMs = waitMs): Promise<readonly Door[]> => {
      await current().startRun(run4);
      const doors = await doorsFor();
      expect(await attach(doors, run4, { waitMs: tellAfterMs })).toEqual(done);
      await inSync();
      return doors;
    },
    /** It is cut off; recorded stale, as the test pretends; and goes on alone. */
    alone: async (): Promise<void> => {
      await current().cut(true);
      const first = current().write(0, 0, 200);
      await current().until("it is told that a write waits", () => told("waits").length > 0);
      expect(first.isAcknowledged).toBe(false);
      expect(await goOnAlone()).toEqual(done);
      await current().until("the write is acknowledged", () => first.isAcknowledged);
    },
    copies: async (): Promise<readonly ReplicaCopy[]> => {
      const end = await cease();
      if (end.kind !== "ceased") throw new Error(`The target does not cease: ${JSON.stringify(end)}`);
      return end.copies;
    },
    /** Each block of each copy is what the source has. */
    expectSame: async (copies: readonly ReplicaCopy[]): Promise<void> => {
      for (const [disk, copy] of copies.entries())
        for (let block = 0; block < blocks; block += 1)
          expect([disk, block, await current().readCopy(copy, block)]).toEqual([
            disk,
            block,
            await current().readHere(disk, block),
          ]);
    },
  };
}
