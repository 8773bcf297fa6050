import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { guestAppend, guestMemoryMiB } from "../../lab/guest/append.ts";
import type { PoolId, VolumeId } from "../../src/model/ids.ts";
import type { ProofCheck } from "../../src/model/point-proof.ts";
import type { Vm } from "../../src/model/records.ts";
import type { ProofEnd } from "../../src/ports/replication-proof.ts";
import { cyclesOf } from "../contracts/cycles-calls.ts";
import { openRealReplicaPair, type RealReplicaPair } from "../contracts/real-replica-pair.ts";
import { diskMiB, diskNames, run4 } from "../contracts/replication-calls.ts";
import { vm } from "../support/records.ts";

const limit = { timeout: 90_000 };
const guest = resolve(import.meta.dirname, "../../.build/guest");
const address = "10.93.0.50/24";
const page: ProofCheck = { kind: "http", address, port: 80, path: "/", text: "proven-web" };
let rig: RealReplicaPair;
const { doorsFor, sealed, write, points, dropPoint, expectSame, copiesAt, ceaseAt } = cyclesOf(() => rig);

beforeEach(async () => {
  rig = await openRealReplicaPair();
});
afterEach(() => rig.close());

function web(more: Partial<Vm["spec"]> = {}): Vm {
  const record = vm("web", { memoryMiB: guestMemoryMiB });
  const disks = diskNames.map((volume) => ({
    volume: volume as VolumeId,
    pool: "pool" as PoolId,
    sizeMiB: diskMiB,
    format: "qcow2" as const,
  }));
  const kernel = {
    path: join(guest, "vmlinuz"),
    initrd: join(guest, "initrd.gz"),
    append: guestAppend({ name: "proven-web", address, tickMs: 50 }),
  };
  return { ...record, id: run4.vm, spec: { ...record.spec, disks, kernel, ...more } };
}

function prove(point: string, checks: readonly ProofCheck[], limitMs = 60_000, of = web()): Promise<ProofEnd> {
  return rig.end((end) => rig.prover.prove({ vm: of, point, checks, limitMs }, end));
}

/** Nothing of a test is left: no process, no layer, no folder. */
function leftovers(): readonly string[] {
  const root = join(rig.exportFolder, "..");
  const files = readdirSync(join(root, "pool-b")).filter((name) => name.endsWith(".proof"));
  const folders = existsSync(join(root, "b/proofs")) ? readdirSync(join(root, "b/proofs")) : [];
  const processes = readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/u.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(join(root, "b/proofs"));
    } catch {
      return false;
    }
  });
  return [...files, ...folders, ...processes];
}

describe("a test failover", () => {
  test(
    "[S20] boots a point beside the run that goes on, and leaves nothing of itself, nor in the point",
    limit,
    async () => {
      await rig.startRun(run4);
      const doors = await doorsFor();
      await write(1, 3, 10);
      const first = (await sealed(doors)).cycle.point;
      const proving = prove(first, [page, { kind: "screen" }, { kind: "agent" }], 60_000, web({ guestAgent: true }));
      // Writes and cycles go on meanwhile; what is dropped meanwhile is merged afterwards.
      await write(1, 3, 11);
      const second = (await sealed(doors)).cycle.point;
      await write(1, 4, 12);
      const third = (await sealed(doors)).cycle.point;
      const end = await proving;
      expect(end).toMatchObject({ kind: "ended", proof: { point: first, passed: true } });
      expect(leftovers()).toEqual([]);
      expect(await points()).toEqual([first, second, third]);
      await dropPoint(second);
      await expectSame(await copiesAt(third));
    },
  );

  test("[S20] one that does not show what it should has failed, and says why", limit, async () => {
    await rig.startRun(run4);
    const { point } = (await sealed(await doorsFor())).cycle;
    const wrong: ProofCheck = { ...page, text: "somebody else" };
    expect(await prove(point, [wrong, { kind: "agent" }], 12_000)).toMatchObject({
      kind: "ended",
      proof: {
        passed: false,
        checks: [
          { kind: "boot", passed: true },
          { kind: "http", passed: false, detail: "HTTP answers without the text" },
          { kind: "agent", passed: false },
        ],
      },
    });
    const broken = web({ cpuModel: "no-such-model" });
    expect(await prove(point, [], 12_000, broken)).toMatchObject({
      proof: { passed: false, checks: [{ kind: "boot" }] },
    });
    expect(leftovers()).toEqual([]);
  });

  test("[S20, S21] of what is no point, or not as it was sealed, or too large, none is begun", limit, async () => {
    await rig.startRun(run4);
    const { point } = (await sealed(await doorsFor())).cycle;
    expect(await prove("none", [])).toMatchObject({ kind: "refused", code: "replica-point-absent" });
    const huge = web({ memoryMiB: 64 * 1024 * 1024 });
    expect(await prove(point, [], 1_000, huge)).toMatchObject({ kind: "refused", code: "vm-memory-short" });
    await rig.spoil("sealed");
    expect(await prove(point, [])).toMatchObject({ kind: "refused", code: "replica-edited" });
    expect(await ceaseAt(point)).toMatchObject({ kind: "refused", code: "replica-edited" });
    expect(leftovers()).toEqual([]);
  });
});
