import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAuthority } from "../../src/adapters/pki/authority.ts";
import { incomingPorts } from "../../src/adapters/qemu/move-images.ts";
import type { ClusterId, HostId } from "../../src/model/ids.ts";
import type { HypervisorEnd, RunningVm } from "../../src/ports/hypervisor.ts";
import type { IncomingEnd, OutgoingRequest } from "../../src/ports/migration.ts";
import { certificatesOf } from "./host-certificates.ts";
import { done, here, one, there } from "./migration-calls.ts";
import { openRealLocalPair } from "./real-local-pair.ts";

// Real QEMUs over TLS. The target takes a connection and never says a word: so does a host that loses its power just then.

const limit = { timeout: 180_000 };
const copied = [0, 1];
/** Of this machine's own, and nobody else's here: what is lost on it is this test's alone. */
const address = "127.0.0.78";
const table = ["ip", "holdfast_move_silent"];
/** A target's guest comes in at the first free port, its disks at the last one. */
const halfway = incomingPorts.first + 20;
const ports = {
  memory: { first: incomingPorts.first, last: halfway },
  disks: { first: halfway + 1, last: incomingPorts.last },
};

let folder: string;
let rig: Awaited<ReturnType<typeof openRealLocalPair>>;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hf-silent-"));
  const authority = await createAuthority("test" as ClusterId);
  const [source, target] = [await certificatesOf(folder, authority, "a"), await certificatesOf(folder, authority, "b")];
  rig = await openRealLocalPair({ source, target });
  for (const host of [rig.source, rig.target]) host.openIncarnation(one);
  expect(await call((driver, end) => driver.start(rig.request("source", here), end))).toEqual(done);
  await works();
});
afterEach(async () => {
  spawnSync("nft", ["delete", "table", ...table]);
  await rig.close();
  rmSync(folder, { recursive: true, force: true });
});

type Driver = (typeof rig)["source"]["hypervisor"];
const call = (act: (driver: Driver, end: (end: HypervisorEnd) => void) => void) =>
  rig.source.end<HypervisorEnd>((end) => act(rig.source.hypervisor, end));

async function works(): Promise<void> {
  const before = rig.written("source") ?? 0;
  await rig.source.until("the guest works", () => (rig.written("source") ?? 0) > before + 20);
}

type Trouble = { readonly hook: "input" | "output"; readonly rule: (door: number) => string };

/** The connection comes about, and what is sent to the target is acknowledged; of what it says itself nothing arrives. */
function silent({ first, last }: typeof incomingPorts): Trouble {
  const from = `ip saddr ${address} tcp sport ${first}-${last}`;
  return { hook: "input", rule: (door) => `${from} tcp sport != ${door} ip length > 80 drop` };
}

/** It takes the connection and says who it is; once it is told who calls it is gone, and the caller learns of that at once. */
function gone({ first, last }: typeof incomingPorts): Trouble {
  const to = `ip daddr ${address} tcp dport ${first}-${last}`;
  return { hook: "output", rule: (door) => `${to} tcp dport != ${door} ip length > 500 reject with tcp reset` };
}

function make({ hook, rule }: Trouble, door: number): void {
  const chain = ["chain passes {", `type filter hook ${hook} priority 0; policy accept;`, rule(door), "}"];
  const input = [`table ${table.join(" ")} {`, ...chain, "}", ""].join("\n");
  expect(spawnSync("nft", ["-f", "-"], { input, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
}

/** Its door answers, and then the trouble begins. */
async function movesOut(trouble: Trouble): Promise<readonly HypervisorEnd[]> {
  const wanted = { ...rig.request("target", there), from: "a" as HostId, addresses: [address], tls: true, copied };
  const end = await rig.target.end<IncomingEnd>((over) => rig.target.hypervisor.prepareIncoming(wanted, over));
  const [door] = end.kind === "waiting" ? end.doors : [];
  if (door === undefined) throw new Error("The target has no door");
  make(trouble, door.port);
  const to: OutgoingRequest = {
    ...{ to: "b" as HostId, as: there, doors: [door], tls: true, bandwidthMiBps: null, downtimeMs: 300, copied },
  };
  const ends: HypervisorEnd[] = [];
  rig.source.hypervisor.migrateOut(here, to, (over) => ends.push(over));
  return ends;
}

async function expectGoesOn(): Promise<void> {
  const runs = await rig.source.end<readonly RunningVm[]>((end) => rig.source.hypervisor.list(end));
  expect(runs).toEqual([{ run: here, state: "running", adopted: true }]);
  expect(rig.source.events).toEqual([]);
  await works();
}

test("[S15] silent where its guest is to come in: broken off, and the guest goes on", limit, async () => {
  const ends = await movesOut(silent(ports.memory));
  await rig.source.until("the move has ended", () => ends.length > 0);
  const detail = expect.stringMatching(/^nothing has got through to 127\.0\.0\.78 for \d+ s: the link is cut, or /u);
  expect(ends).toMatchObject([{ kind: "refused", code: "move-broke-off", params: { detail } }]);
  await expectGoesOn();
});

test("[S15] silent where its disks are to come in: broken off, and the guest goes on", limit, async () => {
  const ends = await movesOut(silent(ports.disks));
  await rig.source.until("the move has ended", () => ends.length > 0);
  expect(ends).toMatchObject([{ kind: "refused", code: "move-qemu-refused" }]);
  await expectGoesOn();
});

test("[S15] gone as it is told who opens a disk there: broken off, and the guest goes on", limit, async () => {
  const ends = await movesOut(gone(ports.disks));
  await rig.source.until("the move has ended", () => ends.length > 0);
  expect(ends).toMatchObject([{ kind: "refused", code: "move-qemu-refused" }]);
  await expectGoesOn();
});

test("[S15] silent where its guest is to come in, and called off: the guest goes on", limit, async () => {
  const ends = await movesOut(silent(ports.memory));
  await rig.source.until("the guest waits with its QEMU", () => rig.connectionsOut(here, ports.memory) > 0);
  expect(await call((driver, end) => driver.cancelOut(here, end))).toEqual(done);
  expect(ends).toMatchObject([{ kind: "refused", code: "move-cancelled" }]);
  await expectGoesOn();
});

test(
  "[S15] silent where its guest is to come in, and called off by an agent that is new: the guest goes on",
  limit,
  async () => {
    await movesOut(silent(ports.memory));
    await rig.source.until("the guest waits with its QEMU", () => rig.connectionsOut(here, ports.memory) > 0);
    await rig.source.reopen();
    expect(await call((driver, end) => driver.cancelOut(here, end))).toEqual(done);
    await expectGoesOn();
  },
);
