import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { processesOf } from "../../src/adapters/linux/process.ts";
import type { HypervisorEnd } from "../../src/ports/hypervisor.ts";
import { cyclesOf } from "./cycles-calls.ts";
import { openRealReplicaPair, type RealReplicaPair } from "./real-replica-pair.ts";
import { done, replicasOf, run4, type Write } from "./replication-calls.ts";

const limit = { timeout: 90_000 };
let rig: RealReplicaPair;
const { attached, goOnAlone, resync, inSync, expectSame, copies, told, ...mirror } = replicasOf(() => rig);
const { sealed, begun, fill, cycle, endCycles, copiesAt, ...cycles } = cyclesOf(() => rig);

beforeEach(async () => {
  rig = await openRealReplicaPair();
});
afterEach(() => rig.close());

function folderOf(kind: "relays" | "cycles"): string {
  return join(dirname(rig.exportFolder), "a", kind);
}

function signalRelay(kind: "relays" | "cycles", name: NodeJS.Signals): readonly number[] {
  const pids = processesOf(folderOf(kind));
  expect(pids).toHaveLength(1);
  for (const pid of pids) process.kill(pid, name);
  return pids;
}

async function ended(what: string, asked: Promise<HypervisorEnd>): Promise<HypervisorEnd> {
  let end: HypervisorEnd | undefined;
  void asked.then((found) => {
    end = found;
  });
  await rig.until(what, () => end !== undefined);
  return end as unknown as HypervisorEnd;
}

describe("a relay that hangs, which nobody has heard who is there now", () => {
  test.each(["noted", "not noted, as by an earlier version"])(
    "[S16] is replaced: its guest goes on alone once that is on record; its process is %s",
    limit,
    async (how) => {
      await attached();
      const hung = signalRelay("relays", "SIGSTOP");
      if (how !== "noted") rmSync(join(folderOf("relays"), `1.${run4.vm}.${run4.epoch}`, "relay.pid"));
      await rig.cut(true);
      await rig.reopenSource();
      const waits = rig.write(0, 9, 70);
      expect(await ended("it is told to go on alone", goOnAlone())).toEqual(done);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      const now = processesOf(folderOf("relays"));
      expect(now).toHaveLength(1);
      expect(now).not.toEqual(hung);
      await rig.cut(false);
      expect(await resync(await mirror.doorsFor())).toEqual(done);
      await inSync();
      await expectSame(await copies());
    },
  );

  test(
    "[S16] is replaced without anybody's word by one that holds: what was written meanwhile is at the replica",
    limit,
    async () => {
      const doors = await attached();
      signalRelay("relays", "SIGSTOP");
      let waits: Write | undefined;
      await rig.reopenSource(async () => {
        waits = rig.write(0, 10, 71);
        await rig.whileLater();
        expect(waits.isAcknowledged).toBe(false);
      });
      await rig.until("the write is acknowledged", () => waits?.isAcknowledged === true);
      expect(await resync(doors)).toEqual(done);
      await inSync();
      await expectSame(await copies());
    },
  );

  test("[S16] is ended with what it was for, once the guest is detached", limit, async () => {
    await attached();
    signalRelay("relays", "SIGSTOP");
    await rig.reopenSource();
    expect(await ended("it is detached", mirror.detach())).toEqual(done);
    await rig.until("no relay is left", () => processesOf(folderOf("relays")).length === 0);
    const goesOn = rig.write(0, 11, 72);
    await rig.until("the write is acknowledged", () => goesOn.isAcknowledged);
  });
});

describe("a relay that hangs in the midst of its work", () => {
  test(
    "[S16] is replaced though nobody gives an order: what was written meanwhile is at the replica",
    limit,
    async () => {
      const doors = await attached();
      const hung = signalRelay("relays", "SIGSTOP");
      const waits = rig.write(1, 12, 73);
      await rig.whileLater();
      expect(waits.isAcknowledged).toBe(false);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      expect(told("holds")).toHaveLength(1);
      expect(processesOf(folderOf("relays"))).not.toEqual(hung);
      expect(await resync(doors)).toEqual(done);
      await inSync();
      await expectSame(await copies());
    },
  );
});

describe("the relay of a cycle that is under way", () => {
  const underWay = async () => {
    await rig.startRun(run4);
    const doors = await cycles.doorsFor();
    const first = await sealed(doors);
    await fill(37);
    // So slow that what the tests write has not been sent before: QEMU has to copy it away first.
    await begun(doors, 0.25);
    await rig.until("QEMU is at it", async () => {
      const end = await rig.qmp().execute("query-jobs");
      return end.kind === "done" && JSON.stringify(end.value).split('"running"').length === 3;
    });
    return { doors, first };
  };

  test(
    "[S25] is lost while no agent is there: a write that waits for it goes on with the next agent's, and so do the cycles",
    limit,
    async () => {
      const { doors, first } = await underWay();
      let waits: Write | undefined;
      await rig.reopenSource(async () => {
        signalRelay("cycles", "SIGKILL");
        waits = rig.write(0, 39, 99);
        await rig.whileLater();
        expect(waits.isAcknowledged).toBe(false);
      });
      await rig.until("the write is acknowledged", () => waits?.isAcknowledged === true);
      const next = await sealed(doors);
      expect(next).toMatchObject({ whole: false, cycle: { chain: first.cycle.chain, sequence: 2 } });
      await expectSame(await copiesAt(next.cycle.point));
    },
  );

  test(
    "[S25] is lost while no agent is there, and QEMU itself waits for it: it is there before its monitor answers",
    limit,
    async () => {
      const { doors } = await underWay();
      await rig.reopenSource(async () => {
        signalRelay("cycles", "SIGKILL");
        const waits = rig.write(0, 39, 99);
        await rig.whileLater();
        expect(waits.isAcknowledged).toBe(false);
        // What the agent was at when it died: QEMU lets all that is under way come to its end first.
        const node = { node: "disk0", name: "drains" };
        const data = { "job-id": "drains", device: "disk0", target: "cycle1", sync: "none" };
        const actions = [
          { type: "block-dirty-bitmap-add", data: node },
          { type: "blockdev-backup", data },
        ];
        expect(await rig.qmp().execute("transaction", { actions }, { limitMs: 500 })).toEqual({ kind: "late" });
        expect(await rig.qmp().execute("query-status", {}, { limitMs: 500 })).toEqual({ kind: "late" });
        rig.silence(true);
      });
      await rig.until(
        "QEMU answers",
        async () => (await rig.qmp().execute("query-status", {}, { limitMs: 500 })).kind === "done",
      );
      rig.silence(false);
      expect(await cycles.sealedInTheEnd(doors)).toMatchObject({ whole: false });
    },
  );

  test(
    "[S25] is killed: the guest's write that waits for it gets no error where its job is broken off",
    limit,
    async () => {
      const { doors, first } = await underWay();
      signalRelay("cycles", "SIGKILL");
      const waits = rig.write(0, 39, 99);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      const next = await cycles.sealedInTheEnd(doors);
      expect(next).toMatchObject({ whole: false, cycle: { chain: first.cycle.chain, sequence: 2 } });
      await expectSame(await copiesAt(next.cycle.point));
    },
  );

  test("[S25] hangs, and another agent comes: it is replaced", limit, async () => {
    const { doors } = await underWay();
    signalRelay("cycles", "SIGSTOP");
    await rig.reopenSource();
    const waits = rig.write(0, 39, 99);
    await rig.until("the write is acknowledged", () => waits.isAcknowledged);
    expect(await cycles.sealedInTheEnd(doors)).toMatchObject({ whole: false, cycle: { sequence: 2 } });
    expect(await endCycles()).toEqual(done);
    await rig.until("no relay is left", () => processesOf(folderOf("cycles")).length === 0);
  });
});
