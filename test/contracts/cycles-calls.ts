import { expect } from "vitest";
import type { HostId, VolumeId } from "../../src/model/ids.ts";
import type { SealedCycle } from "../../src/model/replication-cycle.ts";
import type { HypervisorEnd, VmRun } from "../../src/ports/hypervisor.ts";
import type { Door } from "../../src/ports/migration.ts";
import type { CeaseEnd, ReceiveEnd, ReplicaCopy } from "../../src/ports/replication.ts";
import type { CycleEnd, CycleRequest, CycleSource, CycleTarget, GoBack } from "../../src/ports/replication-cycles.ts";
import { diskMiB, diskNames, type ReplicationRig, receiveRequest, replicasOf, run4 } from "./replication-calls.ts";

export interface CycleRig extends ReplicationRig {
  readonly cycleSource: CycleSource;
  readonly cycleTarget: CycleTarget;
  /** Its QEMU ends in order, and what it noted of its disks stays with them. */
  stopRun(run: VmRun): Promise<void>;
  /** Something of the cycle that is under way has been sent. */
  hasSent(): Promise<boolean>;
  /** The target's host was off: its processes and its run folder are gone, and another agent is there. */
  rebootTarget(): Promise<void>;
}

type Sealed = Extract<CycleEnd, { kind: "sealed" }>;

function goingBack(current: () => CycleRig) {
  return (over: Partial<GoBack> & Pick<GoBack, "point">): Promise<CeaseEnd> => {
    const { volumes } = receiveRequest(current().address);
    const back = { id: `back-${over.point}`, keeps: false, ...over };
    return current().end<CeaseEnd>((end) => current().cycleTarget.ceaseAt(run4.vm, volumes, back, end));
  };
}

/** What the tests do with both hosts in cycles. */
export function cyclesOf(current: () => CycleRig) {
  const calls = replicasOf(current);
  const receive = (over: Parameters<typeof receiveRequest>[1] = {}) =>
    current().end<ReceiveEnd>((end) =>
      current().cycleTarget.receiveCycles(receiveRequest(current().address, over), end),
    );
  const doorsFor = async (over: Parameters<typeof receiveRequest>[1] = {}): Promise<readonly Door[]> => {
    const end = await receive(over);
    if (end.kind !== "ready") throw new Error(`The target does not receive: ${JSON.stringify(end)}`);
    return end.doors;
  };
  const requestOf = (doors: readonly Door[], over: Partial<CycleRequest> = {}): CycleRequest => {
    const volumes = diskNames.map((volume) => ({ volume: volume as VolumeId, sizeMiB: diskMiB }));
    return { to: "b" as HostId, doors, tls: false, volumes, mibPerSecond: null, ...over };
  };
  const cycle = (doors: readonly Door[], over: Partial<CycleRequest> = {}, run = run4) =>
    current().end<CycleEnd>((end) => current().cycleSource.cycle(run, requestOf(doors, over), end));
  const sealed = async (doors: readonly Door[], over: Partial<CycleRequest> = {}, run = run4): Promise<Sealed> => {
    const end = await cycle(doors, over, run);
    if (end.kind !== "sealed") throw new Error(`The cycle was not sealed: ${JSON.stringify(end)}`);
    return end;
  };
  /** As it is tried again and again. */
  const sealedInTheEnd = async (doors: readonly Door[]): Promise<Sealed> => {
    const ends: CycleEnd[] = [];
    await current().until("a cycle is sealed", async () => {
      ends.push(await cycle(doors));
      return ends.at(-1)?.kind === "sealed";
    });
    return ends.at(-1) as Sealed;
  };
  const goBack = goingBack(current);
  return {
    ...calls,
    sealedInTheEnd,
    receive,
    doorsFor,
    cycle,
    sealed,
    last: () =>
      current().end<SealedCycle | null>((end) => current().cycleTarget.lastCycle(run4.vm, (found) => end(found))),
    endCycles: (run = run4) => current().end<HypervisorEnd>((end) => current().cycleSource.endCycles(run, end)),
    /** One that is slow enough for something to happen meanwhile; its end, once it has one. */
    begun: async (doors: readonly Door[], mibPerSecond = 1): Promise<{ end: CycleEnd | undefined }> => {
      const under: { end: CycleEnd | undefined } = { end: undefined };
      current().cycleSource.cycle(run4, requestOf(doors, { mibPerSecond }), (end) => {
        under.end = end;
      });
      await current().until("something of it is sent", () => current().hasSent());
      expect(under.end).toBeUndefined();
      return under;
    },
    ceaseForStart: () =>
      current().end<CeaseEnd>((end) =>
        current().cycleTarget.ceaseForStart(run4.vm, receiveRequest(current().address).volumes, end),
      ),
    ceaseAt: (point: string, over: Partial<GoBack> = {}) => goBack({ point, ...over }),
    copiesAt: async (point: string): Promise<readonly ReplicaCopy[]> => {
      const end = await goBack({ point });
      if (end.kind !== "ceased") throw new Error(`The target does not cease: ${JSON.stringify(end)}`);
      return end.copies;
    },
    /** Enough of both disks that a slow cycle takes seconds. */
    fill: async (value: number): Promise<void> => {
      for (const disk of diskNames.keys())
        await Promise.all(Array.from({ length: 40 }, (_, block) => calls.write(disk, block, value)));
    },
  };
}
