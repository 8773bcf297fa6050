import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CutStream, openCutStream } from "./cut-stream.ts";
import { back, done, here, type MigrationRig, movesOf, one, there } from "./migration-calls.ts";
import { openRealPair } from "./real-pair.ts";

const limit = { timeout: 180_000 };
let folder: string;
let rig: MigrationRig;
let stream: CutStream;
const { start, waiting, copy, switchOver, complete, abandon, adopt, cancel, list, running } = movesOf(() => rig);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-cut-"));
});
afterEach(async () => {
  stream.close();
  await rig.close();
  rmSync(folder, { recursive: true, force: true });
});

/** TCG under drivers that believe in KVM: a guest that still runs when its copying begins, and that QEMU may stop itself. */
async function ready(): Promise<void> {
  const binary = join(folder, "qemu");
  const swap = 'for a in "$@"; do shift; case "$a" in kvm) a=tcg;; host) a=max;; esac; set -- "$@" "$a"; done';
  writeFileSync(binary, `#!/bin/sh\n${swap}\nexec qemu-system-x86_64 "$@"\n`, { mode: 0o755 });
  rig = await openRealPair({ source: { accel: "kvm", binary }, target: { accel: "kvm", binary } });
  rig.source.openIncarnation(one);
  rig.target.openIncarnation(one);
  await start();
  const [door] = await waiting();
  if (door === undefined) throw new Error("The target has no door");
  stream = await openCutStream(door);
  expect(await copy([stream.door])).toEqual(done);
}

test("[S15] the end of the stream is the last that a source sends: no description of it follows", limit, async () => {
  await ready();
  const before = stream.passed();
  expect(await switchOver()).toEqual(done);
  expect(await complete()).toEqual(done);
  expect(stream.passed() - before).toBeGreaterThan(1_000);
  // QEMU_VM_EOF; a description would be JSON behind it.
  expect(stream.tail().at(-1)).toBe(0);
  expect(stream.tail().includes('"page_size"')).toBe(false);
});

test.each([0, 1_000, 30_000])(
  "[S15] reset %i bytes after the hand-over, the guest never runs on both, and lives on where it is whole",
  limit,
  async (bytes) => {
    await ready();
    stream.breakAfter(bytes, "reset");
    const [, came] = await Promise.all([switchOver(), complete(3_000)]);
    expect(await list("source")).toMatchObject([{ state: "paused", move: "handed" }]);
    if (came.kind === "done") {
      expect(await list("target")).toEqual(running(there));
      return;
    }
    expect(await abandon()).toEqual(done);
    expect(await adopt(here, back)).toEqual(done);
    expect(await cancel(back)).toEqual(done);
    expect(await list("source")).toEqual(running(back));
  },
);

test(
  "[S15] a source that has sent everything to a link that is cut still has its guest, and goes on when it comes back",
  limit,
  async () => {
    await ready();
    stream.breakAfter(0, "swallow");
    expect(await switchOver()).toEqual(done);
    expect(await complete(1_000)).toMatchObject({ kind: "refused", code: "move-incomplete" });
    expect(await list("source")).toMatchObject([{ state: "paused", move: "handed" }]);
    expect(await abandon()).toEqual(done);
    expect(await adopt(here, back)).toEqual(done);
    expect(await cancel(back)).toEqual(done);
    await rig.untilWorks("web");
    expect(await list("source")).toEqual(running(back));
  },
);
