import { afterEach, beforeEach, expect, test } from "vitest";
import type { HostId } from "../../src/model/ids.ts";
import type { HypervisorEnd, RunningVm } from "../../src/ports/hypervisor.ts";
import type { IncomingEnd } from "../../src/ports/migration.ts";
import { done, here, one, there } from "./migration-calls.ts";
import { openRealLocalPair } from "./real-local-pair.ts";

// A real QEMU whose main loop stands still in the midst of a live move, and with it its guest: stopped by a signal, no guard's freeze.

const limit = { timeout: 180_000 };
const copied = [0, 1];

let rig: Awaited<ReturnType<typeof openRealLocalPair>>;
beforeEach(async () => {
  rig = await openRealLocalPair();
  for (const host of [rig.source, rig.target]) host.openIncarnation(one);
  expect(await call((driver, end) => driver.start(rig.request("source", here), end))).toEqual(done);
  await works();
});
afterEach(async () => {
  rig.signal(here, "SIGCONT");
  await rig.close();
});

type Driver = (typeof rig)["source"]["hypervisor"];
const call = (act: (driver: Driver, end: (end: HypervisorEnd) => void) => void) =>
  rig.source.end<HypervisorEnd>((end) => act(rig.source.hypervisor, end));
const runs = () => rig.source.end<readonly RunningVm[]>((end) => rig.source.hypervisor.list(end));

async function works(): Promise<void> {
  const before = rig.written("source") ?? 0;
  await rig.source.until("the guest works", () => (rig.written("source") ?? 0) > before + 20);
}

/** Slowly enough that it hangs before all is copied. */
async function hangsAsItLeaves(): Promise<void> {
  const wanted = { ...rig.request("target", there), from: "a" as HostId, addresses: [rig.address], tls: false, copied };
  const end = await rig.target.end<IncomingEnd>((over) => rig.target.hypervisor.prepareIncoming(wanted, over));
  if (end.kind !== "waiting") throw new Error("The target does not wait");
  const begun = { to: "b" as HostId, as: there, doors: end.doors, tls: false, bandwidthMiBps: 4, downtimeMs: 300 };
  rig.source.hypervisor.migrateOut(here, { ...begun, copied }, () => undefined);
  await rig.source.until("the copying has begun", () => rig.connectionsOut(here) > 0);
  rig.signal(here, "SIGSTOP");
}

test(
  "[S15] what hangs as it leaves answers no listing, and nobody who lets it go on: it is ended by a kill",
  limit,
  async () => {
    await hangsAsItLeaves();
    expect(await runs()).toMatchObject([{ run: here, state: "unresponsive", move: "leaving" }]);
    expect(await call((driver, end) => driver.cancelOut(here, end))).toMatchObject({ kind: "unknown" });
    expect(await call((driver, end) => driver.kill(here, end))).toEqual(done);
    expect(await runs()).toEqual([]);
  },
);

test("[S15] it is ended also while somebody waits for it to go on", limit, async () => {
  await hangsAsItLeaves();
  const waits: HypervisorEnd[] = [];
  rig.source.hypervisor.cancelOut(here, (end) => waits.push(end));
  expect(await call((driver, end) => driver.kill(here, end))).toEqual(done);
  await rig.source.until("that wait ends as well", () => waits.length > 0);
  expect(waits).not.toContainEqual(done);
  expect(await runs()).toEqual([]);
});

test("[S15] what comes back goes on when it is asked again", limit, async () => {
  await hangsAsItLeaves();
  expect(await call((driver, end) => driver.cancelOut(here, end))).toMatchObject({ kind: "unknown" });
  rig.signal(here, "SIGCONT");
  await rig.source.until("it answers", async () => (await runs()).some(({ state }) => state !== "unresponsive"));
  expect(await call((driver, end) => driver.cancelOut(here, end))).toEqual(done);
  await works();
  expect(await runs()).toMatchObject([{ run: here, state: "running" }]);
});
