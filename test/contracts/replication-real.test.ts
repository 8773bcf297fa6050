import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { relaySaysSchema } from "../../src/adapters/nbd/relay-control.ts";
import { createAuthority, issueHostCertificate, type KeyPair } from "../../src/adapters/pki/authority.ts";
import { type KnockAnswer, knockAt } from "../../src/adapters/qemu/door.ts";
import type { ClusterId, HostId } from "../../src/model/ids.ts";
import type { CeaseEnd } from "../../src/ports/replication.ts";
import { controlOrder } from "./control-order.ts";
import { type Certificates, openRealReplicaPair } from "./real-replica-pair.ts";
import { done, type ReplicationRig, receiveRequest, replicasOf, run4, run5 } from "./replication-calls.ts";

const limit = { timeout: 60_000 };
let folder: string;
let rig: ReplicationRig;
const { doorsFor, attach, inSync, write, copies, expectSame, told, attached, receive, resync } = replicasOf(() => rig);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-rep-tls-"));
});
afterEach(async () => {
  await rig.close();
  rmSync(folder, { recursive: true, force: true });
});

async function certificatesOf(authority: KeyPair, host: string): Promise<Certificates> {
  const pair = await issueHostCertificate(authority, { host: host as HostId, addresses: [], names: [host] });
  const put = (name: string, text: string): string => {
    const path = join(folder, `${host}-${Math.random()}-${name}`);
    writeFileSync(path, text);
    return path;
  };
  return { ca: put("ca", authority.cert), cert: put("cert", pair.cert), key: put("key", pair.key) };
}

test(
  "[S20] a storage daemon that may have half laid a point is replaced by one that begins with what the files say",
  limit,
  async () => {
    rig = await openRealReplicaPair();
    await rig.startRun(run4);
    await write(0, 1, 5);
    expect(await attach(await doorsFor())).toEqual(done);
    await inSync();
    const file = join(dirname(rig.exportFolder), "b", "received", run4.vm, "received.json");
    const read = (): Record<string, unknown> => JSON.parse(readFileSync(file, "utf8"));
    const { pid } = read();
    // As an agent leaves it that was killed between its word and QEMU's.
    await rig.reopenTarget(async () => writeFileSync(file, JSON.stringify({ ...read(), laying: true })));
    const waits = rig.write(1, 2, 6);
    await doorsFor();
    expect(read()["pid"]).not.toBe(pid);
    expect(read()).not.toHaveProperty("laying");
    await rig.until("the write is acknowledged", () => waits.isAcknowledged);
    await expectSame(await copies());
  },
);

describe("with the cluster's certificates", () => {
  test("[S16] everything goes over TLS, also after the connection broke", limit, async () => {
    const authority = await createAuthority("test" as ClusterId);
    rig = await openRealReplicaPair({
      source: await certificatesOf(authority, "a"),
      target: await certificatesOf(authority, "b"),
    });
    await rig.startRun(run4);
    await write(0, 1, 5);
    expect(await attach(await doorsFor({ tls: true }), run4, { tls: true })).toEqual(done);
    await inSync();
    await rig.killDaemon();
    const waits = rig.write(1, 2, 6);
    await doorsFor({ tls: true });
    await rig.until("the write is acknowledged", () => waits.isAcknowledged);
    await expectSame(await copies());
  });

  test(
    "[S19] nobody but the host that is meant writes a copy, and no copy of another host is written",
    limit,
    async () => {
      const authority = await createAuthority("test" as ClusterId);
      const foreign = await createAuthority("test" as ClusterId);
      const right = { source: await certificatesOf(authority, "a"), target: await certificatesOf(authority, "b") };
      const wrong = [
        { ...right, source: await certificatesOf(foreign, "a") },
        { ...right, source: await certificatesOf(authority, "c") },
        { ...right, target: await certificatesOf(authority, "d") },
      ];
      for (const one of wrong) {
        rig = await openRealReplicaPair(one);
        await rig.startRun(run4);
        expect(await attach(await doorsFor({ tls: true }), run4, { tls: true })).toEqual(done);
        const waits = rig.write(0, 3, 7);
        await rig.until("it is told that a write waits", () => told("waits").length > 0);
        expect(waits.isAcknowledged).toBe(false);
        const [first] = await copies();
        expect(first).toMatchObject({ counter: 0 });
        if (one !== wrong.at(-1)) await rig.close();
      }
    },
  );
});

describe("a replica whose pool is full", () => {
  test(
    "[S16] keeps a write waiting, and takes it as soon as there is room, without anybody's word",
    limit,
    async () => {
      rig = await openRealReplicaPair();
      const pool = join(rig.exportFolder, "../pool-b");
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", pool]);
      try {
        await attached();
        const filler = join(pool, "filler");
        expect(() => writeFileSync(filler, Buffer.alloc(16 * 1024 * 1024))).toThrow(/ENOSPC/u);
        const waits = rig.write(0, 40, 9);
        await rig.until("it is told that a write waits", () => told("waits").length > 0);
        await rig.whileLater();
        expect(waits.isAcknowledged).toBe(false);
        rmSync(filler);
        await rig.until("the write is acknowledged", () => waits.isAcknowledged);
        await expectSame(await copies());
      } finally {
        execFileSync("umount", ["--lazy", pool]);
      }
    },
  );
});

describe("whoever gave up knocking at a replica's host that is slow", () => {
  test(
    "[S19] gets no export once its turn comes: it would end the connection of whoever is let in",
    limit,
    async () => {
      rig = await openRealReplicaPair();
      await rig.startRun(run4);
      const [door] = await doorsFor();
      if (door === undefined) throw new Error("No door is open");
      const knock = (given: AbortSignal): Promise<KnockAnswer> => {
        const as = { cluster: "test", vm: run4.vm, epoch: run4.epoch, volume: "web-0" };
        return knockAt(door, as, { tls: null, to: "b" as HostId, limitMs: 30_000, signal: given });
      };
      const patient = new AbortController().signal;
      await rig.hangDaemon(true);
      const first = knock(patient);
      const givesUp = new AbortController();
      const second = knock(givesUp.signal);
      await rig.whileLater();
      givesUp.abort();
      expect(await second).toEqual({ no: "given up" });
      await rig.whileLater();
      await rig.hangDaemon(false);
      expect(await first).toMatchObject({ counter: 1 });
      expect(await knock(patient)).toMatchObject({ counter: 2 });
    },
  );
});

describe("the disks of both hosts", () => {
  test("[S19] have what is acknowledged: the replica's each write, both what was flushed", limit, async () => {
    const [shim, log] = [join(folder, "count-syncs.so"), join(folder, "log")];
    const source = resolve(import.meta.dirname, "../support/count-syncs.c");
    execFileSync("cc", ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", shim, source]);
    const syncs = (program: string): number =>
      existsSync(log)
        ? readFileSync(log, "utf8")
            .split("\n")
            .filter((line) => line.startsWith(program)).length
        : 0;
    vi.stubEnv("LD_PRELOAD", shim);
    vi.stubEnv("HOLDFAST_SYNC_LOG", log);
    try {
      const pair = await openRealReplicaPair();
      rig = pair;
      await attached();
      for (let block = 0; block < 20; block++) {
        const before = syncs("qemu-storage-daemon");
        await write(block % 2, block, 100 + block);
        expect(syncs("qemu-storage-daemon")).toBeGreaterThan(before);
        const own = syncs("qemu-system");
        expect(await pair.flush(block % 2)).toBe(0);
        expect(syncs("qemu-system")).toBeGreaterThan(own);
      }
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe("a mirror that QEMU ends by itself", () => {
  test("[S16] is told, and is confirmed by nobody", limit, async () => {
    const pair = await openRealReplicaPair();
    rig = pair;
    const doors = await attached();
    await pair.qmp().execute("block-job-cancel", { device: "replica1", force: false });
    await rig.until("it is told", () => told("ended").length > 0);
    expect(await replicasOf(() => rig).confirm()).toMatchObject({ kind: "refused", code: "replica-job-gone" });
    expect(await replicasOf(() => rig).resync(doors)).toMatchObject({ kind: "refused", code: "replica-job-gone" });
    expect(await replicasOf(() => rig).detach()).toEqual(done);
    expect(await attach(doors)).toEqual(done);
    await inSync();
    expect(told("ended")).toHaveLength(1);
  });
});

describe("what a copy is made of", () => {
  test("[S21] is known again after the run folder was lost; an earlier epoch is still refused", limit, async () => {
    rig = await openRealReplicaPair();
    await attached();
    await doorsFor({ epoch: run5.epoch });
    expect(await replicasOf(() => rig).takePoint("p0")).toEqual(done);
    await rig.reopenTarget(async () => {
      await rig.killDaemon();
      rmSync(join(rig.exportFolder, "../b/received"), { recursive: true });
    });
    expect(await receive({ epoch: run4.epoch })).toMatchObject({ kind: "refused", code: "replica-epoch-old" });
    expect(await receive({ epoch: run5.epoch })).toMatchObject({ kind: "ready" });
    expect(await replicasOf(() => rig).points()).toEqual(["p0"]);
  });
});

describe("what says which layers a copy has", () => {
  test.each(["gone", "damaged"])(
    "[S21] is %s after its host was off: its first layer alone passes for nothing, and only a later run is received",
    limit,
    async (how) => {
      const pair = await openRealReplicaPair();
      rig = pair;
      await attached();
      expect(await replicasOf(() => rig).takePoint("p0")).toEqual(done);
      await pair.rebootTarget();
      const layers = join(rig.exportFolder, "../pool-b/web-0.layers");
      if (how === "gone") rmSync(layers);
      else writeFileSync(layers, "{");
      expect(await receive({ epoch: run4.epoch })).toMatchObject({ kind: "refused", code: "replica-edited" });
      const { volumes } = receiveRequest(rig.address);
      const end = await rig.end<CeaseEnd>((ended) => pair.cycleTarget.ceaseForStart(run4.vm, volumes, ended));
      expect(end).toMatchObject({ kind: "refused", code: "replica-edited" });
      expect(await receive({ epoch: run5.epoch })).toMatchObject({ kind: "ready" });
    },
  );
});

describe("a replica that went back in time with everything beside it", () => {
  test("[S21] is not written on: what it had answered before is missing there", limit, async () => {
    rig = await openRealReplicaPair();
    await attached();
    await rig.reopenTarget(async () => {
      await rig.killDaemon();
      const pool = join(rig.exportFolder, "../pool-b");
      for (const file of ["web-0.replica", "web-1.replica", "web-0.layers"]) {
        const text = readFileSync(join(pool, file), "utf8");
        writeFileSync(join(pool, file), text.replaceAll(/"counter":\d+/gu, '"counter":0'));
      }
      rmSync(join(rig.exportFolder, "../b/received"), { recursive: true });
    });
    const waits = rig.write(0, 29, 190);
    await doorsFor();
    await rig.until("the relay says so", async () => {
      const [name = ""] = readdirSync(join(rig.exportFolder, "../a/relays"));
      const control = join(rig.exportFolder, "../a/relays", name, "control.sock");
      const says = relaySaysSchema.parse(await controlOrder(control, { kind: "tell" }));
      return says.state.trouble?.includes("older state") === true;
    });
    await rig.whileLater();
    expect(waits.isAcknowledged).toBe(false);
    // The next relay knows it as well, and nobody waits for it without end.
    await rig.killRelay();
    await rig.until("another relay is there", () => told("holds").length > 0);
    expect(await resync(await doorsFor())).toMatchObject({ kind: "refused", code: "replica-copy-other" });
    expect(waits.isAcknowledged).toBe(false);
  });

  test("[S21] nor is one that was made anew, however many connections it has had since", limit, async () => {
    rig = await openRealReplicaPair();
    await attached();
    await rig.renewTarget();
    await doorsFor();
    await rig.reopenTarget(async () => {
      const root = dirname(rig.exportFolder);
      const beside = ["web-0.replica", "web-1.replica", "web-0.layers"].map((file) => join(root, "pool-b", file));
      for (const file of [...beside, join(root, "b", "received", run4.vm, "received.json")])
        writeFileSync(file, readFileSync(file, "utf8").replaceAll(/"counter":\d+/gu, '"counter":9'));
    });
    expect(await resync(await doorsFor())).toMatchObject({ kind: "refused", code: "replica-copy-other" });
  });
});
