import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { QmpEnd } from "../../src/adapters/qemu/qmp.ts";
import { ReplicaDaemon } from "../../src/adapters/qemu/replica-daemon.ts";
import type { HypervisorEnd } from "../../src/ports/hypervisor.ts";
import type { ReplicaPoint } from "../../src/ports/replication.ts";
import { cyclesOf } from "./cycles-calls.ts";
import { openRealReplicaPair, type RealReplicaPair } from "./real-replica-pair.ts";
import { diskNames, done, pointsOf, run4 } from "./replication-calls.ts";

// What QEMU's storage daemon does with the layers of points, where it, its agent or its host ends in the midst of a merge.

let rig: RealReplicaPair;
const { doorsFor, sealed, write, points, dropPoint, ceaseForStart, atPoint } = cyclesOf(() => rig);

beforeEach(async () => {
  rig = await openRealReplicaPair();
  await rig.startRun(run4);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rig.close();
});

const pool = (): string => join(dirname(rig.exportFolder), "pool-b");
const layersOf = (disk: number): readonly string[] =>
  readdirSync(pool()).filter((file) => file.startsWith(`${diskNames[disk]}.`) && file.endsWith(".qcow2"));

/** Cycles of which each has its own value in a block of both disks; their points. */
async function cyclesWith(values: readonly number[], over: Parameters<typeof doorsFor>[0] = {}): Promise<string[]> {
  const doors = await doorsFor(over);
  const taken: string[] = [];
  for (const value of values) {
    for (const disk of [0, 1]) await write(disk, 1, value);
    taken.push((await sealed(doors)).cycle.point);
  }
  return taken;
}

type Call = (command: string, args?: object) => Promise<QmpEnd>;

/** Of the next ones: `instead` may give another answer than the storage daemon's. */
function intercept(instead: (command: string, args: object, real: () => Promise<QmpEnd>) => Promise<QmpEnd>): void {
  const real: Call = ReplicaDaemon.prototype.execute;
  vi.spyOn(ReplicaDaemon.prototype, "execute").mockImplementation(function (this: ReplicaDaemon, command, args) {
    return instead(command, args ?? {}, () => real.call(this, command, args));
  });
}

describe("a merge", { timeout: 60_000 }, () => {
  test("[S21] whose storage daemon is lost at its last step is recorded by nobody who has let go of it", async () => {
    let answer: (end: QmpEnd) => void = () => undefined;
    let seen = 0;
    intercept((command, _args, real) => {
      if (command !== "blockdev-del") return real();
      seen += 1;
      if (seen < diskNames.length) return real();
      return new Promise((resolve) => {
        answer = resolve;
      });
    });
    await cyclesWith([61, 62, 63], { keepCycles: 2 });
    await rig.until("it is at its last step", () => seen === diskNames.length);
    await rig.rebootTarget();
    const ending = ceaseForStart();
    // The next agent goes by the record already; the earlier one hears only now that its storage daemon is gone.
    await rig.until("it goes by the record", () => layersOf(0).length > 4);
    answer({ kind: "dead" });
    const end = await ending;
    const [copy] = end.kind === "ceased" ? end.copies : [];
    expect(copy === undefined ? end : await rig.readCopy(copy, 1)).toBe(63);
    const params = { vm: run4.vm };
    expect(await ceaseForStart()).toEqual({ kind: "refused", code: "replica-not-received", params });
  });

  // Into the lowest layer, and into one that itself lies on another.
  test.each([
    [0, 1],
    [1, 2],
  ])(
    "[S20] that its agent did not come to record is recorded by the next one, and goes on: %i, then %i",
    async (...which) => {
      const taken = await cyclesWith([1, 2, 3, 4, 5]);
      const [first = "", second = ""] = which.map((index) => taken[index]);
      const left = taken.filter((one) => one !== first && one !== second);
      // As an agent leaves it that dies in the midst: it hears nothing of the end.
      let begun = 0;
      intercept(async (command, _args, real) => {
        if (command === "block-commit") begun += 1;
        return command === "query-jobs" && begun > 0 ? { kind: "dead" } : real();
      });
      await dropPoint(first);
      await rig.until("it is begun", () => begun > 0);
      const before = layersOf(0).length;
      vi.restoreAllMocks();
      await rig.reopenTarget();
      await doorsFor();
      await dropPoint(second);
      await rig.until("both are merged", () => [0, 1].every((disk) => layersOf(disk).length === before - 2));
      expect(await points()).toEqual(left);
      for (const one of left) {
        const value = taken.indexOf(one) + 1;
        expect(await atPoint(one, 1)).toEqual([value, value]);
      }
    },
  );
});

describe("copies of a deleted VM", { timeout: 60_000 }, () => {
  test.each([
    ["while they are still received", false],
    ["after its host was off", true],
  ])("[S20] lose point by point, and with the last one all that is left of its disks: %s", async (_when, isOff) => {
    const [first = "", second = ""] = await cyclesWith([1, 2]);
    if (isOff) await rig.rebootTarget();
    const of = { ...pointsOf(rig), isGone: true as const };
    const drop = (id: string) => rig.end<HypervisorEnd>((end) => rig.target.dropPoint(of, id, end));
    const listed = () => rig.end<readonly ReplicaPoint[]>((end) => rig.target.listPoints(of, end));
    expect(await drop(first)).toEqual(done);
    expect((await listed()).map(({ id }) => id)).toEqual([second]);
    expect(await atPoint(second, 1)).toEqual([2, 2]);
    expect(await drop(second)).toEqual(done);
    expect(await listed()).toEqual([]);
    expect(readdirSync(pool()).filter((file) => diskNames.some((disk) => file.startsWith(`${disk}.`)))).toEqual([]);
    expect(await drop(second)).toEqual(done);
  });
});

describe("a storage daemon that begins with layers", { timeout: 60_000 }, () => {
  test("[S20] keeps nobody from reading what lies below the uppermost, and merges it all the same", async () => {
    const [first = "", second = "", third = ""] = await cyclesWith([1, 2, 3]);
    await rig.killDaemon();
    const doors = await doorsFor();
    const isOpen = (file: string): string =>
      execFileSync("qemu-img", ["info", join(pool(), file)], { encoding: "utf8" });
    const held = JSON.parse(readFileSync(join(pool(), `${diskNames[0]}.layers`), "utf8"));
    const files: readonly string[] = held.volumes[0].layers.map(({ file }: { readonly file: string }) => file);
    for (const file of files.slice(0, -1)) expect(isOpen(file)).toContain(file);
    await dropPoint(first);
    await rig.until("it is merged", () => [0, 1].every((disk) => layersOf(disk).length === files.length - 1));
    await write(0, 1, 4);
    const fourth = await sealed(doors);
    expect(await points()).toEqual([second, third, fourth.cycle.point]);
    expect(await atPoint(second, 1)).toEqual([2, 2]);
  });
});
