import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { HostId } from "../../src/model/ids.ts";
import type { HypervisorEnd, RunningVm } from "../../src/ports/hypervisor.ts";
import type { IncomingEnd, OutgoingRequest } from "../../src/ports/migration.ts";
import { done, here, one, there } from "./migration-calls.ts";
import { openRealLocalPair } from "./real-local-pair.ts";

// Real QEMUs between which a link is cut as cables are: nothing arrives any more, and nobody is told.

const limit = { timeout: 180_000 };
const copied = [0, 1];
/** Of this machine's own, and nobody else's here: what is lost on it is this test's alone. */
const address = "127.0.0.77";
const table = ["ip", "holdfast_local_move_cut"];
/** As long as a test needs to meddle while disks are copied: little of them is on its way at a time. */
const slowMiBps = 4;

let rig: Awaited<ReturnType<typeof openRealLocalPair>>;
beforeEach(async () => {
  rig = await openRealLocalPair();
  for (const host of [rig.source, rig.target]) host.openIncarnation(one);
  expect(await call("source", (driver, end) => driver.start(rig.request("source", here), end))).toEqual(done);
  await works();
});
afterEach(async () => {
  spawnSync("nft", ["delete", "table", ...table]);
  await rig.close();
});

type Driver = (typeof rig)["source"]["hypervisor"];
const call = (on: "source" | "target", act: (driver: Driver, end: (end: HypervisorEnd) => void) => void) =>
  rig[on].end<HypervisorEnd>((end) => act(rig[on].hypervisor, end));

async function works(): Promise<void> {
  const before = rig.written("source") ?? 0;
  await rig.source.until("the guest works", () => (rig.written("source") ?? 0) > before + 20);
}

/** Dropped where it arrives, so that no sender notices more than of a real cable. */
function cut(): void {
  const lost = ["saddr", "daddr"].map((end) => `ip ${end} ${address} drop`);
  const chain = ["chain arrives {", "type filter hook input priority 0; policy accept;", ...lost, "}"];
  const input = [`table ${table.join(" ")} {`, ...chain, "}", ""].join("\n");
  expect(spawnSync("nft", ["-f", "-"], { input, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
}

/** On its way over that address, with something of its disks copied. */
async function copying(bandwidthMiBps: number): Promise<readonly HypervisorEnd[]> {
  const wanted = { ...rig.request("target", there), from: "a" as HostId, addresses: [address], tls: false, copied };
  const end = await rig.target.end<IncomingEnd>((over) => rig.target.hypervisor.prepareIncoming(wanted, over));
  const doors = end.kind === "waiting" ? end.doors : [];
  const to: OutgoingRequest = {
    ...{ to: "b" as HostId, as: there, doors, tls: false, bandwidthMiBps, downtimeMs: 300, copied },
  };
  const ends: HypervisorEnd[] = [];
  rig.source.hypervisor.migrateOut(here, to, (over) => ends.push(over));
  const isCopied = () => rig.source.moves.some((told) => told.kind === "progress" && told.progress.percent > 5);
  await rig.source.until("something was copied", isCopied);
  expect(ends).toEqual([]);
  return ends;
}

async function expectGoesOn(): Promise<void> {
  const runs = await rig.source.end<readonly RunningVm[]>((end) => rig.source.hypervisor.list(end));
  expect(runs).toEqual([{ run: here, state: "running", adopted: true }]);
  expect(rig.source.events).toEqual([]);
  await works();
}

test(
  "[S15] cut while disks are copied, and called off: the guest goes on at once, and waits for no answer",
  limit,
  async () => {
    const ends = await copying(slowMiBps);
    cut();
    expect(await call("source", (driver, end) => driver.cancelOut(here, end))).toEqual(done);
    expect(ends).toMatchObject([{ kind: "refused", code: "move-cancelled" }]);
    await expectGoesOn();
  },
);

test(
  "[S15] cut in the midst of its disks, and nobody says anything: broken off, and the guest never waited",
  limit,
  async () => {
    const ends = await copying(slowMiBps);
    cut();
    await works();
    await rig.source.until("the move has ended", () => ends.length > 0);
    const detail = expect.stringMatching(/^nothing has got through to 127\.0\.0\.77 for \d+ s: the link is cut, or /u);
    expect(ends).toMatchObject([{ kind: "refused", code: "move-broke-off", params: { detail } }]);
    const last = rig.source.moves.findLast(({ kind }) => kind === "progress");
    expect(last).toMatchObject({ progress: { stuck: true, mibPerSecond: 0 } });
    await expectGoesOn();
  },
);
