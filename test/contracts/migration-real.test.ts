import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAuthority, type KeyPair } from "../../src/adapters/pki/authority.ts";
import { pingGuest } from "../../src/adapters/qemu/guest-health.ts";
import type { ClusterId, HostId } from "../../src/model/ids.ts";
import { certificatesOf as certificateFiles } from "./host-certificates.ts";
import { back, disk, done, here, type MigrationRig, movesOf, one, there } from "./migration-calls.ts";
import { openRealPair } from "./real-pair.ts";
import type { RealRigOptions } from "./real-rig.ts";

const limit = { timeout: 120_000 };
let folder: string;
let rig: MigrationRig;
const { ask, start, prepare, waiting, copy, switchOver, cancel, complete, adopt, progress, running } = movesOf(
  () => rig,
);
const { list, expectGoesOnHere, lost } = movesOf(() => rig);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-move-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function openPair(source: RealRigOptions, target: RealRigOptions): Promise<void> {
  rig = await openRealPair({ source, target });
  rig.source.openIncarnation(one);
  rig.target.openIncarnation(one);
}

describe("with the cluster's certificates", () => {
  afterEach(() => rig.close());

  const certificatesOf = (authority: KeyPair, host: string) => certificateFiles(folder, authority, host);

  test("[S15] a guest moves over TLS, there and back, and without it over a direct cable", limit, async () => {
    const authority = await createAuthority("test" as ClusterId);
    await openPair(await certificatesOf(authority, "a"), await certificatesOf(authority, "b"));
    await start();
    const end = await prepare({ tls: true });
    const doors = end.kind === "waiting" ? end.doors : [];
    expect(await copy(doors, { tls: true })).toEqual(done);
    expect(await cancel()).toEqual(done);
    await rig.target.until("the target's copy is gone", () => lost().length > 0);
    expect(await copy(await waiting())).toEqual(done);
    expect(await switchOver()).toEqual(done);
    expect(await complete()).toEqual(done);
    await ask("source", (driver, ended) => driver.kill(here, ended));
    const home = { ...rig.source.request(back, { act: "stay", disk }), from: "b" as HostId, addresses: [rig.address] };
    const ready = await rig.source.end<typeof end>((ended) =>
      rig.source.hypervisor.prepareIncoming({ ...home, tls: true }, ended),
    );
    const out = { to: "a" as HostId, as: back, tls: true, bandwidthMiBps: null, downtimeMs: 300 };
    const homeward = { ...out, doors: ready.kind === "waiting" ? ready.doors : [] };
    expect(await ask("target", (driver, ended) => driver.migrateOut(there, homeward, ended))).toEqual(done);
    expect(await ask("target", (driver, ended) => driver.switchOver(there, ended))).toEqual(done);
    expect(await ask("source", (driver, ended) => driver.completeIncoming(back, 20_000, ended))).toEqual(done);
  });

  test("no door opens to a host of another cluster, to another host of this one, or without TLS", limit, async () => {
    const authority = await createAuthority("test" as ClusterId);
    const foreign = await createAuthority("test" as ClusterId);
    const intruders = [await certificatesOf(foreign, "a"), await certificatesOf(authority, "c")];
    for (const intruder of intruders) {
      await openPair(intruder, await certificatesOf(authority, "b"));
      await start();
      const end = await prepare({ tls: true });
      const doors = end.kind === "waiting" ? end.doors : [];
      expect(await copy(doors, { tls: true })).toMatchObject({ kind: "refused", code: "move-no-link" });
      expect(await copy(doors)).toMatchObject({ kind: "refused", code: "move-no-link" });
      await expectGoesOnHere();
      if (intruder !== intruders.at(-1)) await rig.close();
    }
  });

  test("without a certificate neither end takes part in a move over TLS", limit, async () => {
    await openPair({}, {});
    await start();
    expect(await prepare({ tls: true })).toMatchObject({ kind: "refused", code: "move-no-certificate" });
    expect(await copy([rig.deadDoor], { tls: true })).toMatchObject({ kind: "refused", code: "move-no-certificate" });
    await expectGoesOnHere();
  });

  test("a target that is another host than the one that was meant gets nothing", limit, async () => {
    const authority = await createAuthority("test" as ClusterId);
    await openPair(await certificatesOf(authority, "a"), await certificatesOf(authority, "c"));
    await start();
    const end = await prepare({ tls: true });
    const refused = await copy(end.kind === "waiting" ? end.doors : [], { tls: true });
    expect(refused).toMatchObject({ kind: "refused", code: "move-no-link" });
    expect(refused.kind === "refused" && refused.params["tried"]).toContain("it is c, not b");
    await expectGoesOnHere();
  });
});

describe("with KVM, as far as it can be tried without", () => {
  afterEach(() => rig.close());

  /** QEMU with TCG under a driver that believes in KVM. */
  function livePair(): Promise<void> {
    const binary = join(folder, "qemu");
    const swap = 'for a in "$@"; do shift; case "$a" in kvm) a=tcg;; host) a=max;; esac; set -- "$@" "$a"; done';
    writeFileSync(binary, `#!/bin/sh\n${swap}\nexec qemu-system-x86_64 "$@"\n`, { mode: 0o755 });
    return openPair({ accel: "kvm", binary }, { accel: "kvm", binary });
  }

  test(
    "[S15] a guest runs while it is copied, and does not go on by itself where the hand-over fails",
    limit,
    async () => {
      await livePair();
      await start();
      await rig.untilWorks(disk);
      const doors = await waiting();
      const ends: unknown[] = [];
      const out = { to: "b" as HostId, as: there, doors, tls: false, bandwidthMiBps: 30, downtimeMs: 300 };
      rig.source.hypervisor.migrateOut(here, out, (end) => ends.push(end));
      await rig.source.until("something was copied", () => progress().length > 0);
      await rig.untilWorks(disk);
      expect(progress()[0]).toMatchObject({ guest: "runs" });
      await rig.source.until("it is ready", () => ends.length > 0);
      expect(ends).toEqual([done]);
      expect(progress().at(-1)).toMatchObject({ guest: "stopped", percent: 100 });
      expect(await rig.standsStill(disk)).toBe(true);
      rig.target.killProcess(there);
      await rig.target.until("the target's copy is gone", () => lost().length > 0);
      expect(await switchOver()).toMatchObject({ kind: "refused", code: "move-hand-over-failed" });
      expect(await list("source")).toMatchObject([{ state: "paused", move: "handed" }]);
      expect(await rig.standsStill(disk)).toBe(true);
      expect(await adopt(here, back)).toEqual(done);
      expect(await cancel(back)).toEqual(done);
      await rig.untilWorks(disk);
      expect(await list("source")).toEqual(running(back));
      expect(rig.source.events).toEqual([]);
    },
  );

  test("cancelled while it runs, a guest has not stood still at all", limit, async () => {
    await livePair();
    await start();
    const doors = await waiting();
    const ends: unknown[] = [];
    const out = { to: "b" as HostId, as: there, doors, tls: false, bandwidthMiBps: 1, downtimeMs: 300 };
    rig.source.hypervisor.migrateOut(here, out, (end) => ends.push(end));
    await rig.source.until("something was copied", () => progress().length > 0);
    expect(await cancel()).toEqual(done);
    expect(ends).toMatchObject([{ kind: "refused", code: "move-cancelled" }]);
    expect(progress().every(({ guest }) => guest === "runs")).toBe(true);
    await expectGoesOnHere();
  });
});

test(
  "a guest on a bridge moves while it is written to: no acknowledged write is lost, and it never boots",
  limit,
  async () => {
    const probe = join(import.meta.dirname, "migration-probe.ts");
    const { stdout } = await promisify(execFile)("unshare", ["--net", process.execPath, probe], { timeout: 90_000 });
    const found = JSON.parse(stdout);
    expect(found.ends).toEqual(Array(3 * 4).fill(done));
    expect(found.lost).toEqual([]);
    expect(found.acknowledged).toBeGreaterThan(10);
    expect(found.boots).toBe(1);
    expect(found.left).toBe("");
  },
);

test(
  "a firewall that lets the knock through and QEMU's connection not: the next link is taken; else the guest goes on; moves alone: enough",
  limit,
  async () => {
    const probe = join(import.meta.dirname, "migration-firewall-probe.ts");
    const behind = (course: string) =>
      promisify(execFile)("unshare", ["--net", process.execPath, probe, course], { timeout: 90_000 });
    const { stdout } = await behind("breaks");
    expect(JSON.parse(stdout)).toMatchObject({
      end: { kind: "refused", code: "move-broke-off" },
      states: ["4 running stays"],
      cancelled: done,
      // QEMU still waits for its connection.
      again: { kind: "refused", code: "move-under-way" },
      events: [],
    });
    const alone = await behind("moves-alone");
    expect(JSON.parse(alone.stdout)).toMatchObject({ seen: ["127.0.0.1"], end: done, link: "127.0.0.1" });
    const next = await behind("first-link");
    expect(JSON.parse(next.stdout)).toMatchObject({ end: done, states: ["4 paused leaving"], link: "127.0.0.2" });
  },
);

test("a guest that is being stopped is not moved, and not said to be moved already", limit, async () => {
  await openPair({}, {});
  await start();
  expect(await ask("source", (driver, end) => driver.halt(here, 0, end))).toEqual(done);
  expect(await copy([rig.deadDoor])).toMatchObject({ kind: "refused", code: "move-of-stopping-vm" });
  await rig.close();
});

describe("a guest's agent", () => {
  const agentAt = async (reply: (asked: { execute: string; arguments: { id: number } }) => string | null) => {
    const path = join(folder, "agent");
    const server = createServer((socket) => {
      socket.setEncoding("utf8").on("data", (text: string) => {
        const said = reply(JSON.parse(text));
        if (said !== null) socket.write(`${said}\n`);
      });
    });
    await new Promise<void>((listening) => server.listen(path, listening));
    const answers = await pingGuest(path, 300);
    server.close();
    return answers;
  };

  test("answers where it says what was asked, whatever lay in the channel before", async () => {
    expect(await agentAt(({ arguments: { id } }) => `{"return": 7}\n{"return": ${id}}`)).toBe(true);
  });

  test("is silent where it says nothing, something else, or is not there", async () => {
    expect(await agentAt(() => null)).toBe(false);
    rmSync(join(folder, "agent"), { force: true });
    expect(await agentAt(() => '{"return": 7}')).toBe(false);
    expect(await pingGuest(join(folder, "nobody"), 300)).toBe(false);
  });
});
