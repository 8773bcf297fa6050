import { execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, writeSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readGuestDisk } from "../../lab/guest/disk.ts";
import { relaySaysSchema } from "../../src/adapters/nbd/relay-control.ts";
import type { QemuHypervisor } from "../../src/adapters/qemu/driver.ts";
import { editedCopies } from "../../src/adapters/qemu/replica-edited.ts";
import { openReplicaSource, type QemuReplicaSource } from "../../src/adapters/qemu/replica-source.ts";
import { openReplicaTarget, type QemuReplicaTarget } from "../../src/adapters/qemu/replica-target.ts";
import { openVolumes } from "../../src/adapters/qemu/volumes.ts";
import type { ClusterId, HostId, PoolId, VolumeId } from "../../src/model/ids.ts";
import type { HypervisorEnd, StartRequest, VmRun } from "../../src/ports/hypervisor.ts";
import type { IncomingEnd } from "../../src/ports/migration.ts";
import type { CeaseEnd, ReceiveEnd } from "../../src/ports/replication.ts";
import { builtWatch } from "../support/built-watch.ts";
import { controlOrder } from "./control-order.ts";
import { done, here, one, there } from "./migration-calls.ts";
import { openRealRig } from "./real-rig.ts";

const cluster = "test" as ClusterId;
const relay = [process.execPath, resolve(import.meta.dirname, "../../src/main/relay.ts")];
const disk = "vol-web" as VolumeId;
const sizeMiB = 4;

/** One host: its QEMUs, and both ends of replication. */
async function openHost() {
  const rig = await openRealRig();
  rig.openIncarnation(one);
  const pools = { ["pool" as PoolId]: rig.poolFolder };
  const hypervisor = (): QemuHypervisor => rig.hypervisor as QemuHypervisor;
  const monitors = { qmp: (run: VmRun) => hypervisor().qmpOf(run), isHere: (run: VmRun) => hypervisor().isHere(run) };
  const volumes = openVolumes({ cluster, pools });
  const source: QemuReplicaSource = openReplicaSource({ cluster, runDir: rig.runDir, relay, ...monitors });
  const target: QemuReplicaTarget = openReplicaTarget({
    ...{ cluster, runDir: rig.runDir, pools, volumes, watch: builtWatch() },
  });
  const image = join(rig.poolFolder, `${disk}.raw`);
  const request = (run: VmRun): StartRequest => {
    const base = rig.request(run, { act: "stay", disk: existsSync(image) ? disk : "missing", ticks: true });
    const [first] = base.vm.spec.disks;
    const { kernel } = base.vm.spec;
    if (first === undefined || kernel === null) throw new Error("The tiny guest has a disk and a kernel");
    const disks = [{ ...first, volume: disk, sizeMiB }];
    const append = kernel.append.replaceAll("missing", disk);
    return {
      ...base,
      pools: base.pools.map((pool) => ({ ...pool, kind: "local-dir" as const })),
      vm: { ...base.vm, spec: { ...base.vm.spec, disks, kernel: { ...kernel, append } } },
    };
  };
  return {
    ...rig,
    get hypervisor() {
      return rig.hypervisor;
    },
    source,
    target,
    image,
    request,
    pool: pools0(rig.request(here, { act: "stay", disk: "missing", ticks: true })),
    make: () =>
      rig.end<HypervisorEnd>((end) =>
        volumes.create(
          pools0(rig.request(here, { act: "stay", disk: "missing", ticks: true })),
          disk,
          sizeMiB,
          "raw",
          end,
        ),
      ),
    records: () => readGuestDisk(image).records.length,
    sentMiB: async () => {
      const [name = ""] = readdirSync(join(rig.runDir, "relays"));
      const says = await controlOrder(join(rig.runDir, "relays", name, "control.sock"), { kind: "tell" });
      return relaySaysSchema.parse(says).state.sentBytes / 1024 / 1024;
    },
    closeAll: async () => {
      for (const run of source.attached()) await rig.end<HypervisorEnd>((end) => source.detach(run, end));
      await rig.end<CeaseEnd>((end) => target.cease(here.vm, end));
      source.close();
      target.close();
      await rig.close();
    },
  };
}
type Host = Awaited<ReturnType<typeof openHost>>;

function pools0({ pools: [pool] }: StartRequest) {
  if (pool === undefined) throw new Error("There is a pool");
  return { ...pool, kind: "local-dir" as const };
}

describe("a guest whose disk is mirrored", { timeout: 120_000 }, () => {
  let a: Host;
  let b: Host;
  const address = "127.0.0.1";
  const of = (host: Host, call: (end: (end: HypervisorEnd) => void) => void) => host.end<HypervisorEnd>(call);

  const receive = async (at: Host, { vm, epoch }: VmRun, from: string) => {
    const volumes = [{ volume: disk, pool: at.pool, sizeMiB, format: "raw" as const }];
    const request = { vm, epoch, from: from as HostId, volumes, addresses: [address], tls: false };
    const end = await at.end<ReceiveEnd>((end) => at.target.receive(request, end));
    if (end.kind !== "ready") throw new Error(`It is not received: ${JSON.stringify(end)}`);
    return end;
  };
  const inSync = (at: Host, run: VmRun) =>
    at.until("it is in sync", async () => (await of(at, (end) => at.source.confirm(run, end))).kind === "done");
  const attach = (
    at: Host,
    run: VmRun,
    to: string,
    doors: readonly { address: string; port: number }[],
    isEqual = false,
  ) =>
    of(at, (end) => {
      const volumes = [{ volume: disk, sizeMiB }];
      at.source.attach(run, { to: to as HostId, doors, tls: false, volumes, waitMs: 5_000, isEqual }, end);
    });

  beforeEach(async () => {
    [a, b] = [await openHost(), await openHost()];
    await a.make();
    expect(await of(a, (end) => a.hypervisor.start(a.request(here), end))).toEqual(done);
    expect(await attach(a, here, "b", (await receive(b, here, "a")).doors)).toEqual(done);
    await inSync(a, here);
  });
  afterEach(async () => {
    // S21: neither the QEMU that waits beside the storage daemon nor the one that goes on is somebody else.
    const edited = await editedCopies([a, b].map(({ image }) => dirname(image)));
    await a.closeAll();
    await b.closeAll();
    expect(edited).toEqual([]);
  });

  const prepare = async () => {
    const base = { from: "a" as HostId, addresses: [address], tls: false };
    const end = await b.end<IncomingEnd>((end) => b.hypervisor.prepareIncoming({ ...b.request(there), ...base }, end));
    if (end.kind !== "waiting") throw new Error(`It does not wait: ${JSON.stringify(end)}`);
    return end.doors;
  };
  /** Up to the guest that goes on at its new host, and the end of the run that it left. */
  const switched = async (): Promise<number> => {
    await a.until("the guest works", () => a.records() > 5);
    const out = { to: "b" as HostId, as: there, doors: await prepare(), tls: false, bandwidthMiBps: null };
    expect(await attach(b, there, "a", [], true)).toEqual(done);
    expect(await of(a, (end) => a.hypervisor.migrateOut(here, { ...out, downtimeMs: 300 }, end))).toEqual(done);
    expect(await of(a, (end) => a.source.confirm(here, end))).toEqual(done);
    const wrote = a.records();
    const [detached, ceased] = await Promise.all([
      of(a, (end) => a.source.detach(here, end)),
      b.end<CeaseEnd>((end) => b.target.cease(here.vm, end)),
    ]);
    expect([detached, ceased]).toMatchObject([done, { kind: "ceased" }]);
    const begun = of(b, (end) => b.source.begin(there, 10_000, end));
    expect(await of(a, (end) => a.hypervisor.switchOver(here, end))).toEqual(done);
    expect(await begun).toEqual(done);
    expect(await of(b, (end) => b.hypervisor.completeIncoming(there, 20_000, end))).toEqual(done);
    await b.until("the guest works there", () => b.records() > wrote + 5);
    expect(await of(a, (end) => a.hypervisor.kill(here, end))).toEqual(done);
    expect(a.records()).toBe(wrote);
    return wrote;
  };

  test("[S15, S17] it goes on from its copy, and only what it wrote since is sent the other way", async () => {
    const wrote = await switched();
    const { doors, isAsLeft } = await receive(a, there, "b");
    expect([isAsLeft, (await receive(a, there, "b")).isAsLeft]).toEqual([true, true]);
    expect(await of(b, (end) => b.source.resync(there, doors, end))).toEqual(done);
    await inSync(b, there);
    expect(await b.sentMiB()).toBeLessThan(1);
    await b.until("it works, and is mirrored", () => a.records() > wrote + 20);
    // A write that is under way when QEMU is killed lies at one of both, and was never answered: it comes to its end before.
    expect(await (b.hypervisor as QemuHypervisor).qmpOf(there)?.execute("stop")).toMatchObject({ kind: "done" });
    await inSync(b, there);
    expect(await of(b, (end) => b.hypervisor.kill(there, end))).toEqual(done);
    execFileSync("cmp", [a.image, b.image]);
  });

  test("[S15, S21] an image that somebody has touched since it was left is said to be no copy to build upon", async () => {
    await switched();
    const file = openSync(a.image, "r+");
    writeSync(file, "x", 2 * 1024 * 1024);
    closeSync(file);
    expect((await receive(a, there, "b")).isAsLeft).toBe(false);
  });

  test("[S15, S20] it does not go on from a layer on which a point was laid since its QEMU waits", async () => {
    await a.until("the guest works", () => a.records() > 5);
    const out = { to: "b" as HostId, as: there, doors: await prepare(), tls: false, bandwidthMiBps: null };
    expect(await of(b, (end) => b.target.takePoint(here.vm, "p1", end))).toEqual(done);
    expect(await of(a, (end) => a.hypervisor.migrateOut(here, { ...out, downtimeMs: 300 }, end))).toEqual(done);
    expect(await of(a, (end) => a.source.detach(here, end))).toEqual(done);
    await b.end<CeaseEnd>((end) => b.target.cease(here.vm, end));
    expect(await of(a, (end) => a.hypervisor.switchOver(here, end))).toEqual(done);
    const end = await of(b, (over) => b.hypervisor.completeIncoming(there, 20_000, over));
    expect(end).toMatchObject({ kind: "refused", code: "move-incomplete" });
    expect(await of(b, (over) => b.hypervisor.abandonIncoming(there, over))).toEqual(done);
  });

  test("[S15] the mirror of a guest that did not come in is none", async () => {
    await prepare();
    expect(await attach(b, there, "a", [], true)).toEqual(done);
    expect(await of(b, (end) => b.source.begin(there, 200, end))).toMatchObject({ code: "replica-not-begun" });
    expect(b.source.attached()).toEqual([]);
    expect(await of(b, (end) => b.hypervisor.abandonIncoming(there, end))).toEqual(done);
    await a.until("the guest works on", () => a.records() > 5);
    // Beside a guest that writes, a block may be on its way at any one moment.
    await inSync(a, here);
  });
});
