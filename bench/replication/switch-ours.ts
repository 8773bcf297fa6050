import { setTimeout as sleep } from "node:timers/promises";
import { openReplicaSource, type QemuReplicaSource } from "../../src/adapters/qemu/replica-source.ts";
import { openReplicaTarget, type QemuReplicaTarget } from "../../src/adapters/qemu/replica-target.ts";
import { openVolumes } from "../../src/adapters/qemu/volumes.ts";
import { must } from "../../src/base/assert.ts";
import type { VolumeId } from "../../src/model/ids.ts";
import type { VmRun } from "../../src/ports/hypervisor.ts";
import type { Door, IncomingEnd } from "../../src/ports/migration.ts";
import type { CeaseEnd, ReceiveEnd } from "../../src/ports/replication.ts";
import { type BenchHost, cluster, diskMiB, type Rig } from "../migration/rig.ts";
import { ask, mustBeDone, type Switching } from "./calls.ts";
import { relayCommand } from "./relay.ts";

type End = BenchHost & { readonly source: QemuReplicaSource; readonly target: QemuReplicaTarget };
const addresses = ["127.0.0.1"];
const limitMs = 30_000;

/** Through the ports of both hosts, in the order in which their agents call them (src/agent/moving.ts, switching.ts). */
export async function openSwitchOurs(rig: Rig, name: string): Promise<Switching> {
  let epoch = 1;
  let isCopied = false;
  const opened = rig.hosts.map(openEnd);
  let [here, there] = [opened[0], opened[1]].map((end) => must(end, "There are two hosts")) as [End, End];
  const runAt = (at: number): VmRun => rig.request(name, at).run;
  await mustBeDone(ask((end) => here.driver.start(rig.request(name, epoch), end)));
  return {
    mirror: async () => {
      const run = runAt(epoch);
      const doors = await receive(rig, name, epoch, { from: here, at: there });
      const work = isCopied
        ? ask((end) => here.source.resync(run, doors, end))
        : ask((end) => here.source.attach(run, attachTo(there, name, doors), end));
      await mustBeDone(work);
      while ((await ask((end) => here.source.confirm(run, end))).kind !== "done") await sleep(5);
      isCopied = true;
    },
    move: async () => {
      const began = performance.now();
      const [from, to] = [here, there];
      await switchOver(rig, name, epoch, { from, to });
      const tookMs = performance.now() - began;
      await mustBeDone(ask((end) => from.driver.kill(runAt(epoch), end)));
      [here, there, epoch] = [to, from, epoch + 1];
      return tookMs;
    },
    close: async () => {
      await mustBeDone(ask((end) => here.source.detach(runAt(epoch), end)));
      for (const { source, target } of opened) {
        await new Promise<CeaseEnd>((end) => target.cease(runAt(epoch).vm, end));
        source.close();
        target.close();
      }
    },
  };
}

function openEnd(host: BenchHost): End {
  const { driver, runDir, pools, certificates } = host;
  const volumes = openVolumes({ cluster, pools });
  const monitors = { qmp: (run: VmRun) => driver.qmpOf(run), isHere: (run: VmRun) => driver.isHere(run) };
  const base = { cluster, runDir, ...(certificates !== undefined && { certificates }) };
  return {
    ...host,
    source: openReplicaSource({ ...base, relay: relayCommand, ...monitors }),
    target: openReplicaTarget({ ...base, pools, volumes }),
  };
}

function attachTo(to: BenchHost, name: string, doors: readonly Door[]) {
  return { to: to.id, doors, tls: true, volumes: [{ volume: name as VolumeId, sizeMiB: diskMiB }], waitMs: 2_000 };
}

async function receive(rig: Rig, name: string, epoch: number, { from, at }: { from: End; at: End }) {
  const { run, pools } = rig.request(name, epoch);
  const pool = must(pools[0], "There is a pool");
  const volumes = [{ volume: name as VolumeId, pool, sizeMiB: diskMiB, format: "raw" as const }];
  const request = { vm: run.vm, epoch: run.epoch, from: from.id, volumes, addresses, tls: true };
  const end = await new Promise<ReceiveEnd>((done) => at.target.receive(request, done));
  if (end.kind !== "ready") throw new Error(`receive: ${JSON.stringify(end)}`);
  return end.doors;
}

/** Up to the guest that goes on at the other host, with the images that its copies were. */
async function switchOver(rig: Rig, name: string, epoch: number, { from, to }: { from: End; to: End }): Promise<void> {
  const { run } = rig.request(name, epoch);
  const request = rig.request(name, epoch + 1);
  const as = request.run;
  const incoming = { ...request, from: from.id, addresses, tls: true };
  const waits = await new Promise<IncomingEnd>((done) => to.driver.prepareIncoming(incoming, done));
  if (waits.kind !== "waiting") throw new Error(`prepareIncoming: ${JSON.stringify(waits)}`);
  await mustBeDone(ask((end) => to.source.attach(as, { ...attachTo(from, name, []), isEqual: true }, end)));
  const out = { to: to.id, as, doors: waits.doors, tls: true, bandwidthMiBps: null, downtimeMs: 300 };
  await mustBeDone(ask((end) => from.driver.migrateOut(run, out, end)));
  await mustBeDone(ask((end) => from.source.confirm(run, end)));
  // Here the VM changes hands on record; from then on neither host waits for the other.
  const leaves = async (): Promise<void> => {
    await mustBeDone(ask((end) => from.source.detach(run, end)));
    await mustBeDone(ask((end) => from.driver.switchOver(run, end)));
  };
  const arrives = async (): Promise<void> => {
    const ceased = await new Promise<CeaseEnd>((end) => to.target.cease(run.vm, end));
    if (ceased.kind !== "ceased") throw new Error(`cease: ${JSON.stringify(ceased)}`);
    await mustBeDone(ask((end) => to.source.begin(as, limitMs, end)));
    await mustBeDone(ask((end) => to.driver.completeIncoming(as, limitMs, end)));
  };
  await Promise.all([leaves(), arrives()]);
}
