import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAuthority, issueHostCertificate, type KeyPair } from "../../src/adapters/pki/authority.ts";
import type { ClusterId, HostId } from "../../src/model/ids.ts";
import type { HypervisorEnd } from "../../src/ports/hypervisor.ts";
import type { IncomingEnd, OutgoingRequest } from "../../src/ports/migration.ts";
import type { LocalMoveRig } from "../contracts/local-move-suite.ts";
import { done, here, one, there } from "../contracts/migration-calls.ts";
import { openRealLocalPair } from "../contracts/real-local-pair.ts";
import type { RealRigOptions } from "../contracts/real-rig.ts";

const limit = { timeout: 180_000 };
const copied = [0, 1];
let folder: string;
let rig: Awaited<ReturnType<typeof openRealLocalPair>>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-local-"));
});
afterEach(async () => {
  await rig.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(source: RealRigOptions, target: RealRigOptions): Promise<void> {
  rig = await openRealLocalPair({ source, target });
  for (const host of [rig.source, rig.target]) host.openIncarnation(one);
  expect(await call("source", (driver, end) => driver.start(rig.request("source", here), end))).toEqual(done);
  await works("source");
}

type Driver = LocalMoveRig["source"]["hypervisor"];
const call = (on: "source" | "target", act: (driver: Driver, end: (end: HypervisorEnd) => void) => void) =>
  rig[on].end<HypervisorEnd>((end) => act(rig[on].hypervisor, end));

async function works(on: "source" | "target"): Promise<void> {
  const before = rig.written(on) ?? 0;
  await rig[on].until("the guest works", () => (rig.written(on) ?? 0) > before + 1);
}

async function outTo(tls: boolean, bandwidthMiBps: number | null = null): Promise<OutgoingRequest> {
  const wanted = { ...rig.request("target", there), from: "a" as HostId, addresses: [rig.address], tls, copied };
  const end = await rig.target.end<IncomingEnd>((over) => rig.target.hypervisor.prepareIncoming(wanted, over));
  const doors = end.kind === "waiting" ? end.doors : [];
  return { to: "b" as HostId, as: there, doors, tls, bandwidthMiBps, downtimeMs: 300, copied };
}

const progress = () => rig.source.moves.flatMap((event) => (event.kind === "progress" ? [event.progress] : []));

async function certificatesOf(authority: KeyPair, host: string): Promise<RealRigOptions> {
  const pair = await issueHostCertificate(authority, { host: host as HostId, addresses: [], names: [host] });
  const put = (name: string, text: string): string => {
    const path = join(folder, `${host}-${name}`);
    writeFileSync(path, text);
    return path;
  };
  return { certificates: { ca: put("ca", authority.cert), cert: put("cert", pair.cert), key: put("key", pair.key) } };
}

test("[S15] disks and memory go over TLS with the cluster's certificates", limit, async () => {
  const authority = await createAuthority("test" as ClusterId);
  await open(await certificatesOf(authority, "a"), await certificatesOf(authority, "b"));
  const out = await outTo(true);
  expect(await call("source", (driver, end) => driver.migrateOut(here, out, end))).toEqual(done);
  expect(rig.written("target")).toBe(rig.written("source"));
  // The memory's: nothing here writes to the target's disks any more.
  expect(rig.connectionsOut(here)).toBe(1);
  expect(await call("source", (driver, end) => driver.switchOver(here, end))).toEqual(done);
  expect(await call("target", (driver, end) => driver.completeIncoming(there, 20_000, end))).toEqual(done);
  await works("target");
});

/** QEMU with TCG under a driver that believes in KVM. */
function asKvm(): RealRigOptions {
  const binary = join(folder, "qemu");
  const swap = 'for a in "$@"; do shift; case "$a" in kvm) a=tcg;; host) a=max;; esac; set -- "$@" "$a"; done';
  writeFileSync(binary, `#!/bin/sh\n${swap}\nexec qemu-system-x86_64 "$@"\n`, { mode: 0o755 });
  return { accel: "kvm", binary };
}

test(
  "[S15] a guest that runs to the end of the copy has each of its writes there at the hand-over",
  limit,
  async () => {
    await open(asKvm(), asKvm());
    const out = await outTo(false, 40);
    expect(await call("source", (driver, end) => driver.migrateOut(here, out, end))).toEqual(done);
    expect(progress().some(({ guest, remainingMiB }) => guest === "runs" && remainingMiB > 0)).toBe(true);
    expect(rig.written("target")).toBe(rig.written("source"));
  },
);

test("[S15] broken off again and again while it writes, a guest lives on: no copy is waited for", limit, async () => {
  await open({}, {});
  for (let attempt = 0; attempt < 8; attempt++) {
    const out = await outTo(false, 3);
    const ends: HypervisorEnd[] = [];
    const told = rig.source.moves.length;
    rig.source.hypervisor.migrateOut(here, out, (end) => ends.push(end));
    await rig.source.until("something was copied", () => rig.source.moves.length > told);
    expect(await call("source", (driver, end) => driver.cancelOut(here, end))).toEqual(done);
    expect(ends).toMatchObject([{ code: "move-cancelled" }]);
    expect(await call("target", (driver, end) => driver.abandonIncoming(there, end))).toEqual(done);
    rig.removeImages("target");
    await works("source");
  }
  expect(rig.source.events).toEqual([]);
});
