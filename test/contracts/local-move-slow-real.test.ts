import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { HostId } from "../../src/model/ids.ts";
import type { HypervisorEnd } from "../../src/ports/hypervisor.ts";
import type { IncomingEnd, OutgoingRequest } from "../../src/ports/migration.ts";
import { done, here, one, there } from "./migration-calls.ts";
import { openRealLocalPair } from "./real-local-pair.ts";

// Real QEMUs, and a bandwidth so small that each disk's own buffer would be sent at once and be rested from for half a minute.

const copied = [0, 1];
const slowMiBps = 1;

let rig: Awaited<ReturnType<typeof openRealLocalPair>>;
beforeEach(async () => {
  rig = await openRealLocalPair();
  for (const host of [rig.source, rig.target]) host.openIncarnation(one);
  expect(await call((driver, end) => driver.start(rig.request("source", here), end))).toEqual(done);
  await works();
});
afterEach(() => rig.close());

type Driver = (typeof rig)["source"]["hypervisor"];
const call = (act: (driver: Driver, end: (end: HypervisorEnd) => void) => void) =>
  rig.source.end<HypervisorEnd>((end) => act(rig.source.hypervisor, end));

async function works(): Promise<void> {
  const before = rig.written("source") ?? 0;
  await rig.source.until("the guest works", () => (rig.written("source") ?? 0) > before + 1);
}

test("[S15] disks that go at a small bandwidth arrive: nothing is told as stuck, and never more a second than it allows", {
  timeout: 300_000,
}, async () => {
  const wanted = { ...rig.request("target", there), from: "a" as HostId, addresses: [rig.address], tls: false };
  const end = await rig.target.end<IncomingEnd>((over) =>
    rig.target.hypervisor.prepareIncoming({ ...wanted, copied }, over),
  );
  const doors = end.kind === "waiting" ? end.doors : [];
  const to: OutgoingRequest = {
    ...{ to: "b" as HostId, as: there, doors, tls: false, bandwidthMiBps: slowMiBps, downtimeMs: 300, copied },
  };
  const ends: HypervisorEnd[] = [];
  rig.source.hypervisor.migrateOut(here, to, (over) => ends.push(over));
  const told = () => rig.source.moves.flatMap((event) => (event.kind === "progress" ? [event.progress] : []));
  const ofDisks = () => told().filter(({ guest }) => guest === "runs");
  const giveUpAt = performance.now() + 240_000;
  // Its memory follows: the disks are there.
  while (ofDisks().length === told().length && ends.length === 0 && performance.now() < giveUpAt) await sleep(50);
  expect(ends).toEqual([]);
  expect(told().at(-1)).toMatchObject({ guest: "stopped" });
  await rig.source.until("the last of them is there", () => rig.written("target") === rig.written("source"));
  // The ballast alone is 24 MiB, of which each look sees a little more.
  expect(new Set(ofDisks().map(({ remainingMiB }) => remainingMiB)).size).toBeGreaterThan(10);
  expect(told().filter(({ stuck }) => stuck === true)).toEqual([]);
  expect(Math.max(...told().map(({ mibPerSecond }) => mibPerSecond))).toBe(slowMiBps);
  expect(await call((driver, over) => driver.cancelOut(here, over))).toEqual(done);
  await works();
});
