import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { guestAppend } from "../../lab/guest/append.ts";
import { type GuestRecord, readGuestDisk } from "../../lab/guest/disk.ts";
import { openGuestFreezer, type QemuGuestFreezer } from "../../src/adapters/qemu/guest-freeze.ts";
import { must } from "../../src/base/assert.ts";
import type { Epoch, HostId, Incarnation, VmId } from "../../src/model/ids.ts";
import type { HypervisorEnd, VmRun } from "../../src/ports/hypervisor.ts";
import type { OutgoingRequest } from "../../src/ports/migration.ts";
import { openRealRig } from "./real-rig.ts";

const limit = { timeout: 120_000 };
const run: VmRun = { vm: "web" as VmId, incarnation: 1 as Incarnation, epoch: 1 as Epoch };
const done: HypervisorEnd = { kind: "done" };
let rig: Awaited<ReturnType<typeof openRealRig>>;
let freezer: QemuGuestFreezer | undefined;
let child: ChildProcess | undefined;

beforeEach(async () => {
  rig = await openRealRig();
  rig.openIncarnation(run.incarnation);
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await freezer?.close();
  freezer = undefined;
  await rig.close();
});

/** A guest whose writes come in pairs, the second half 200 ms after the first; its agent, where it has one, answers. */
async function boot({ agent = true } = {}): Promise<void> {
  const request = rig.request(run, { act: "stay", disk: "web" });
  const { spec } = request.vm;
  const kernel = must(spec.kernel, "The tiny guest boots from a kernel");
  const append = guestAppend({ name: "web", address: "", tickMs: 20, pairMs: 200, agent });
  const vm = { ...request.vm, spec: { ...spec, kernel: { ...kernel, append } } };
  expect(await rig.end<HypervisorEnd>((end) => rig.hypervisor.start({ ...request, vm }, end))).toEqual(done);
  await goesOn();
}

const open = (): QemuGuestFreezer => {
  freezer = openGuestFreezer(rig);
  return freezer;
};
const freeze = (limitMs: number) => rig.end<HypervisorEnd>((end) => must(freezer, "open").freeze(run, limitMs, end));
const thaw = () => rig.end<HypervisorEnd>((end) => must(freezer, "open").thaw(run, end));
const records = (): readonly GuestRecord[] => readGuestDisk(join(rig.runDir, "pool", "web.raw")).records;
const halfDone = (): boolean => records().at(-1)?.client === "pair-open";

async function goesOn(): Promise<void> {
  const before = records().length;
  await rig.until("the guest writes on", () => records().length > before + 2);
}

/** Its channel appears a moment after its first write. */
async function frozenOnceItAnswers(limitMs: number): Promise<void> {
  await rig.until("it stands still", async () => (await freeze(limitMs)).kind === "done");
}

test("[S20] a real guest stands still between two things that it does, and goes on after the thaw", limit, async () => {
  await boot();
  open();
  await rig.until("it is in the midst of something", halfDone);
  await frozenOnceItAnswers(30_000);
  const [before, isHalf] = [records().length, halfDone()];
  expect(isHalf).toBe(false);
  // Many times what it would take the guest to write the next one.
  await new Promise((later) => setTimeout(later, 1_000));
  expect(records()).toHaveLength(before);
  expect(await thaw()).toEqual(done);
  await goesOn();
  await rig.until("it is in the midst of something again", halfDone);
  await frozenOnceItAnswers(200);
  // Nobody thaws it.
  await goesOn();
  expect(await thaw()).toMatchObject({ kind: "refused", code: "freeze-not-held" });
});

test("[S15, S20] one whose file systems stand still is not moved away", limit, async () => {
  await boot();
  open();
  await frozenOnceItAnswers(30_000);
  const out = { to: "h2" as HostId, as: { ...run, epoch: 2 as Epoch }, doors: [], tls: false };
  const request: OutgoingRequest = { ...out, bandwidthMiBps: null, downtimeMs: 300 };
  const moved = () => rig.end<HypervisorEnd>((end) => rig.hypervisor.migrateOut(run, request, end));
  expect(await moved()).toMatchObject({ kind: "refused", code: "move-file-systems-stand" });
  expect(await thaw()).toEqual(done);
  expect(await moved()).toMatchObject({ kind: "refused", code: "move-no-link" });
  await goesOn();
});

test("[S20] whoever had it stand still was killed: the next one lets it go on", limit, async () => {
  await boot();
  const adapter = resolve(import.meta.dirname, "../../src/adapters/qemu/guest-freeze.ts");
  const text = `
    import { openGuestFreezer } from ${JSON.stringify(adapter)};
    const freezer = openGuestFreezer(${JSON.stringify({ runDir: rig.runDir, cgroup: rig.cgroup })});
    const again = () => freezer.freeze(${JSON.stringify(run)}, 600_000, (end) =>
      end.kind === "done" ? console.log("frozen") : setTimeout(again, 50));
    again();
    setInterval(() => undefined, 1_000);
  `;
  child = spawn(process.execPath, ["--input-type=module", "-e", text], { stdio: ["ignore", "pipe", "inherit"] });
  await once(must(child.stdout, "It speaks"), "data");
  const before = records().length;
  child.kill("SIGKILL");
  await once(child, "exit");
  expect([records().length, readdirSync(join(rig.runDir, "standing-still"))]).toEqual([before, ["1.web.1"]]);
  open();
  await goesOn();
  await rig.until("nobody has to see to it any more", () => {
    return readdirSync(join(rig.runDir, "standing-still")).length === 0;
  });
});

test("[S20] a guest whose agent is silent is not stopped", limit, async () => {
  await boot({ agent: false });
  open();
  expect(await freeze(3_000)).toMatchObject({ kind: "refused", code: "freeze-no-agent" });
  await goesOn();
});
