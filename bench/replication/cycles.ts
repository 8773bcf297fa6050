import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openCycleSource, type QemuCycleSource } from "../../src/adapters/qemu/replica-cycle-source.ts";
import { openReplicaTarget } from "../../src/adapters/qemu/replica-target.ts";
import { openVolumes } from "../../src/adapters/qemu/volumes.ts";
import type { ClusterId, Epoch, HostId, Incarnation, PoolId, VmId, VolumeId, WallMs } from "../../src/model/ids.ts";
import type { VmRun } from "../../src/ports/hypervisor.ts";
import type { CeaseEnd, ReceiveEnd, ReplicaCopy } from "../../src/ports/replication.ts";
import type { CycleEnd, CycleRequest } from "../../src/ports/replication-cycles.ts";
import { ask } from "./calls.ts";
import { blockBytes, blockCount, writeNumbered } from "./numbered-writes.ts";
import { relayCommand, relayPid } from "./relay.ts";
import { fill, type Rig, startMachine } from "./rig.ts";

const run: VmRun = { vm: "cycled" as VmId, incarnation: 1 as Incarnation, epoch: 1 as Epoch };
const volume = "cycled" as VolumeId;
const cluster = "bench" as ClusterId;
const everyMs = 5_000;

/** What the loss of the source cost, and what it may cost: both in seconds of what the guest was told. */
export type Loss = { readonly lostS: number; readonly boundS: number };

/** Cycles every 5 s of a guest that writes all the while, until its host is lost at some moment. */
export async function loseSource(rig: Rig): Promise<Loss> {
  const machine = await startMachine(rig, "cycled");
  const pools = { ["pool" as PoolId]: join(rig.folder, "pool-b") };
  const receiver = { cluster, runDir: join(rig.folder, "b"), pools, volumes: openVolumes({ cluster, pools }) };
  const target = openReplicaTarget(receiver);
  let isLost = false;
  const monitor = { qmp: () => (isLost ? undefined : machine.qmp), isHere: () => !isLost };
  const source = openCycleSource({ cluster, runDir: join(rig.folder, "a"), relay: relayCommand, ...monitor });
  try {
    await fill(machine.guest, rig.sizeMiB);
    const volumes = [volumeIn(rig)];
    const base = { vm: run.vm, epoch: run.epoch, from: "a" as HostId, volumes, addresses: ["127.0.0.1"], tls: false };
    const ready = await new Promise<ReceiveEnd>((end) => target.receiveCycles({ ...base, keepCycles: 2 }, end));
    if (ready.kind !== "ready") throw new Error(`receiveCycles: ${JSON.stringify(ready)}`);
    const writes = writeNumbered(machine.guest);
    const request = { to: "b" as HostId, doors: ready.doors, tls: false, mibPerSecond: null };
    const cycles = runCycles(source, { ...request, volumes: [{ volume, sizeMiB: rig.sizeMiB }] });
    await cycles.measured();
    await sleep(randomInt(everyMs * 1.5));
    isLost = true;
    process.kill(relayPid(join(rig.folder, "a", "cycles")), "SIGKILL");
    machine.kill();
    const lostAt = performance.now();
    const ceased = await new Promise<CeaseEnd>((end) => target.ceaseForStart(run.vm, volumes, end));
    const transferMs = await cycles.stop();
    const copy = ceased.kind === "ceased" ? ceased.copies[0] : undefined;
    if (copy === undefined) throw new Error(`ceaseForStart: ${JSON.stringify(ceased)}`);
    const lostMs = lostAt - (writes.firstMissing(numbersIn(rig, copy)) ?? lostAt);
    return { lostS: lostMs / 1_000, boundS: (everyMs + transferMs) / 1_000 };
  } finally {
    isLost = true;
    await machine.close();
    await ask((end) => source.endCycles(run, end));
    source.close();
    await new Promise<CeaseEnd>((end) => target.ceaseForStart(run.vm, [volumeIn(rig)], end));
    target.close();
  }
}

function volumeIn({ sizeMiB }: Rig) {
  const id = "pool" as PoolId;
  const pool = {
    schema: 1,
    id,
    name: id,
    kind: "replicated",
    path: "",
    quotaMiB: null,
    createdAt: 0 as WallMs,
  } as const;
  return { volume, pool, sizeMiB, format: "qcow2" as const };
}

/** As agents do: each begins so long after the beginning of the last one. */
function runCycles(source: QemuCycleSource, request: CycleRequest) {
  let isOver = false;
  const transfersMs: number[] = [];
  const loop = async (): Promise<void> => {
    while (!isOver) {
      const beganAt = performance.now();
      const end = await new Promise<CycleEnd>((done) => source.cycle(run, request, done));
      if (isOver) return;
      if (end.kind !== "sealed") throw new Error(`A cycle: ${JSON.stringify(end)}`);
      transfersMs.push(performance.now() - beganAt);
      await sleep(Math.max(0, beganAt + everyMs - performance.now()));
    }
  };
  const over = loop();
  over.catch(() => undefined);
  return {
    /** Besides the first one, of everything, one more is sealed. */
    measured: async (): Promise<void> => {
      while (transfersMs.length < 2) await Promise.race([over, sleep(5)]);
    },
    /** Milliseconds of the longest of those that were sealed, the first one left out. */
    stop: async (): Promise<number> => {
      isOver = true;
      await over;
      return Math.max(...transfersMs.slice(1));
    },
  };
}

function numbersIn(rig: Rig, copy: ReplicaCopy): readonly number[] {
  const raw = join(rig.folder, "copy.raw");
  execFileSync("qemu-img", ["convert", "-f", copy.format, "-O", "raw", copy.path, raw]);
  const file = openSync(raw, "r");
  const bytes = Buffer.alloc(8);
  const numbers = Array.from({ length: blockCount }, (_, block) => {
    readSync(file, bytes, 0, bytes.length, block * blockBytes);
    return Number(bytes.readBigUInt64BE());
  });
  closeSync(file);
  return numbers;
}
