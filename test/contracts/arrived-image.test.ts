import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createToFill, openVolumes } from "../../src/adapters/qemu/volumes.ts";
import type { ClusterId, Epoch, PoolId, WallMs } from "../../src/model/ids.ts";
import type { Pool } from "../../src/model/records.ts";
import type { HypervisorEnd } from "../../src/ports/hypervisor.ts";

// Real files: images that are made for a guest that moves here with its disks, and what somebody else has under their names.

const volume = "vmweb-disk-0";
const run = { vm: "web", epoch: 7 };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-arrived-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const options = { cluster: "test" as ClusterId, pools: {} };
const pool = (): Pool => ({
  ...({ schema: 1, id: "fast" as PoolId, name: "fast", kind: "local-dir" } as const),
  ...{ path: folder, quotaMiB: null, createdAt: 0 as WallMs },
});
const here = (suffix: string): string => join(folder, `${volume}${suffix}`);

async function make(format: "raw" | "qcow2" = "raw"): Promise<HypervisorEnd> {
  const { end, onDisk } = await createToFill(options, { pool: pool(), volume, sizeMiB: 4, format }, run);
  expect((await onDisk).kind).toBe(end.kind);
  return end;
}

function removeArrived(epoch = run.epoch): Promise<HypervisorEnd> {
  return new Promise((done) => openVolumes(options).removeArrived(pool(), volume, epoch as Epoch, done));
}

/** Where nothing was ever made the folder bears no mark of its pool. */
async function markPool(): Promise<void> {
  const end = await new Promise<HypervisorEnd>((done) => openVolumes(options).create(pool(), "other", 1, "raw", done));
  expect(end).toEqual({ kind: "done" });
}

const untouched = { kind: "refused", code: "volume-not-of-move" };

test.each(["raw", "qcow2"] as const)(
  "[S15] what was made for a move is removed after it, a %s image",
  async (format) => {
    expect(await make(format)).toEqual({ kind: "done" });
    expect(existsSync(here(`.${format}`))).toBe(true);
    expect(await removeArrived()).toEqual({ kind: "done" });
    expect([`.${format}`, ".arriving"].map((suffix) => existsSync(here(suffix)))).toEqual([false, false]);
    // A second time, as by the next agent.
    expect(await removeArrived()).toEqual({ kind: "done" });
  },
);

test("[S15] somebody's image under that name is not taken for it, and not removed", async () => {
  await markPool();
  writeFileSync(here(".raw"), "somebody's");
  expect(await make()).toMatchObject({ kind: "refused", code: "move-image-exists", params: { path: here(".raw") } });
  expect(await removeArrived()).toMatchObject(untouched);
  expect(readFileSync(here(".raw"), "utf8")).toBe("somebody's");
});

test.each([".1.qcow2", ".layers", ".replica"])(
  "[S15, S20] what is left of a copy that was kept, its %s, is neither built over nor removed, though its image is away",
  async (suffix) => {
    await markPool();
    writeFileSync(here(suffix), "kept");
    expect(await make()).toMatchObject({ kind: "refused", code: "move-image-exists" });
    expect(await removeArrived()).toMatchObject(untouched);
    expect(readFileSync(here(suffix), "utf8")).toBe("kept");
  },
);

test("[S15] a file that has replaced what was made is not removed", async () => {
  expect(await make()).toEqual({ kind: "done" });
  copyFileSync(here(".raw"), here(".copied"));
  renameSync(here(".copied"), here(".raw"));
  expect(await removeArrived()).toMatchObject(untouched);
  expect(existsSync(here(".raw"))).toBe(true);
});

test("[S15] what was made for an earlier move, on which its guest went on, is not removed after a later one", async () => {
  expect(await make()).toEqual({ kind: "done" });
  expect(await removeArrived(run.epoch + 2)).toMatchObject(untouched);
  expect(existsSync(here(".raw"))).toBe(true);
});
