import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { HostId } from "../../src/model/ids.ts";
import type { HypervisorEnd, RunningVm, StartRequest, VmRun } from "../../src/ports/hypervisor.ts";
import type { Door, IncomingEnd, IncomingRequest, OutgoingRequest } from "../../src/ports/migration.ts";
import { back, done, here, type MoveHost, one, there } from "./migration-calls.ts";

type On = "source" | "target";

/** Two hosts with a local pool each. A VM has two disks: on the first its guest writes, the second only takes its time. */
export interface LocalMoveRig {
  readonly source: MoveHost;
  readonly target: MoveHost;
  /** One of the target's own, and one of the source's. */
  readonly address: string;
  readonly homeAddress: string;
  /** With images on the source where there are none yet; those of the target are made by the move. */
  request(on: On, run: VmRun): StartRequest;
  /** How much the guest has written to its disk on this host; undefined: there is no image. */
  written(on: On): number | undefined;
  /** Whether all images of the VM are on this host. */
  hasImages(on: On): boolean;
  removeImages(on: On): void;
  /** Somebody's image, where the target is to make one. */
  putForeign(): void;
  foreignIsUntouched(): boolean;
  close(): Promise<void>;
}

const copied = [0, 1];
/** As long as a test needs to meddle while disks are copied. */
const slowMiBps = 2;

/** The contract of `ports/migration.ts` where disks go along, the same for every driver. */
export function localMoveSuite(name: string, openRig: () => Promise<LocalMoveRig>): void {
  describe(name, { timeout: 120_000 }, () => {
    let rig: LocalMoveRig;
    const ask = (on: On, call: (driver: MoveHost["hypervisor"], end: (end: HypervisorEnd) => void) => void) =>
      rig[on].end<HypervisorEnd>((end) => call(rig[on].hypervisor, end));
    const prepare = (over: Partial<IncomingRequest> = {}) => {
      const base = { from: "a" as HostId, addresses: [rig.address], tls: false, copied };
      const wanted = { ...rig.request("target", there), ...base, ...over };
      return rig.target.end<IncomingEnd>((end) => rig.target.hypervisor.prepareIncoming(wanted, end));
    };
    const waiting = async (): Promise<readonly Door[]> => {
      const end = await prepare();
      if (end.kind !== "waiting") throw new Error(`The target does not wait: ${JSON.stringify(end)}`);
      return end.doors;
    };
    const requestTo = (doors: readonly Door[], over: Partial<OutgoingRequest> = {}): OutgoingRequest => {
      const base = { to: "b" as HostId, as: there, doors, tls: false, bandwidthMiBps: null, downtimeMs: 300, copied };
      return { ...base, ...over };
    };
    const copy = (doors: readonly Door[], over: Partial<OutgoingRequest> = {}) =>
      ask("source", (driver, end) => driver.migrateOut(here, requestTo(doors, over), end));
    const progress = () => rig.source.moves.flatMap((event) => (event.kind === "progress" ? [event.progress] : []));
    /** Begun and under way, in the midst of its disks. */
    const copying = async (doors: readonly Door[]): Promise<HypervisorEnd[]> => {
      const ends: HypervisorEnd[] = [];
      const request = requestTo(doors, { bandwidthMiBps: slowMiBps });
      rig.source.hypervisor.migrateOut(here, request, (end) => ends.push(end));
      await rig.source.until("something was copied", () => progress().some(({ percent }) => percent > 0));
      expect(ends).toEqual([]);
      return ends;
    };
    const start = () => ask("source", (driver, end) => driver.start(rig.request("source", here), end));
    const works = async (on: On): Promise<void> => {
      const before = rig.written(on) ?? 0;
      await rig[on].until("the guest works", () => (rig.written(on) ?? 0) > before + 1);
    };
    const cancel = (run = here) => ask("source", (driver, end) => driver.cancelOut(run, end));
    const abandon = () => ask("target", (driver, end) => driver.abandonIncoming(there, end));
    const switchOver = () => ask("source", (driver, end) => driver.switchOver(here, end));
    const complete = () => ask("target", (driver, end) => driver.completeIncoming(there, 20_000, end));
    const lost = () => rig.target.moves.filter(({ kind }) => kind === "incoming-lost");
    const list = (on: On) => rig[on].end<readonly RunningVm[]>((end) => rig[on].hypervisor.list(end));
    const goesOnHere = async (): Promise<void> => {
      expect(await list("source")).toEqual([{ run: here, state: "running", adopted: true }]);
      expect(rig.source.events).toEqual([]);
      await works("source");
    };
    beforeEach(async () => {
      rig = await openRig();
      for (const on of ["source", "target"] as const) rig[on].openIncarnation(one);
      expect(await start()).toEqual(done);
      await works("source");
    });
    afterEach(() => rig.close());

    test("[S15] a guest takes its disks along: at the hand-over all that it wrote is there, and it goes on there alone", async () => {
      expect(await copy(await waiting())).toEqual(done);
      const atHandOver = rig.written("source");
      expect(rig.written("target")).toBe(atHandOver);
      const told = progress();
      expect(told.map(({ percent }) => percent)).toEqual(told.map(({ percent }) => percent).sort((a, b) => a - b));
      expect(told.at(-1)).toMatchObject({ percent: 100, guest: "stopped", link: rig.address });
      expect(await switchOver()).toEqual(done);
      expect(await complete()).toEqual(done);
      await works("target");
      expect(await ask("source", (driver, end) => driver.kill(here, end))).toEqual(done);
      expect(rig.written("source")).toBe(atHandOver);
      expect([rig.source.events, rig.target.events, lost()]).toEqual([[], [], []]);
    });

    test("[S15] it goes back the same way, once what it left there is gone", async () => {
      expect(await copy(await waiting())).toEqual(done);
      await switchOver();
      await complete();
      await ask("source", (driver, end) => driver.kill(here, end));
      const home = {
        ...rig.request("source", back),
        from: "b" as HostId,
        addresses: [rig.homeAddress],
        tls: false,
        copied,
      };
      const prepareHome = () => rig.source.end<IncomingEnd>((end) => rig.source.hypervisor.prepareIncoming(home, end));
      expect(await prepareHome()).toMatchObject({ kind: "refused", code: "move-image-exists" });
      rig.removeImages("source");
      const end = await prepareHome();
      const out = { ...requestTo(end.kind === "waiting" ? end.doors : []), to: "a" as HostId, as: back };
      expect(await ask("target", (driver, over) => driver.migrateOut(there, out, over))).toEqual(done);
      expect(rig.written("source")).toBe(rig.written("target"));
      expect(await ask("target", (driver, over) => driver.switchOver(there, over))).toEqual(done);
      expect(await ask("source", (driver, over) => driver.completeIncoming(back, 20_000, over))).toEqual(done);
      await works("source");
    });

    test("[S15] an image that is there already is no copy: refused, untouched, and nothing is left of the others", async () => {
      rig.putForeign();
      expect(await prepare()).toMatchObject({ kind: "refused", code: "move-image-exists" });
      expect(rig.foreignIsUntouched()).toBe(true);
      expect(rig.written("target")).toBeUndefined();
      await goesOnHere();
    });

    test("a target that takes no disks gets none, and the guest does not stand still", async () => {
      const { pools } = rig.request("target", there);
      const small = pools.map((pool) => ({ ...pool, quotaMiB: 5 }));
      expect(await prepare({ pools: small })).toMatchObject({ kind: "refused", code: "pool-quota" });
      expect(rig.hasImages("target")).toBe(false);
      await goesOnHere();
    });

    test("[S15] cancelled while its disks are copied: it never stood still; a second move makes its images anew", async () => {
      const ends = await copying(await waiting());
      expect(await cancel()).toEqual(done);
      expect(ends).toMatchObject([{ kind: "refused", code: "move-cancelled" }]);
      expect(progress().every(({ guest }) => guest === "runs")).toBe(true);
      await goesOnHere();
      expect(await abandon()).toEqual(done);
      expect(await prepare()).toMatchObject({ code: "move-image-exists" });
      rig.removeImages("target");
      expect(await copy(await waiting())).toEqual(done);
      expect(rig.written("target")).toBe(rig.written("source"));
    });

    test("[S15] cancelled right before the hand-over: it goes on with its own disks", async () => {
      expect(await copy(await waiting())).toEqual(done);
      const before = rig.written("target");
      expect(await cancel()).toEqual(done);
      await goesOnHere();
      expect(rig.written("target")).toBe(before);
    });

    test("[S15] the target dies while disks are copied: broken off, and the guest goes on", async () => {
      const ends = await copying(await waiting());
      rig.target.killProcess(there);
      await rig.source.until("the move has ended", () => ends.length > 0);
      expect(ends).toMatchObject([{ kind: "refused", code: "move-broke-off" }]);
      await goesOnHere();
    });

    test("[S15] a target that takes nothing for too long: broken off, and the guest has not waited for it", async () => {
      const ends = await copying(await waiting());
      await rig.target.freeze(one, true);
      await works("source");
      await rig.source.until("the move has ended", () => ends.length > 0);
      expect(ends).toMatchObject([{ kind: "refused", code: "move-broke-off" }]);
      expect(progress().every(({ guest }) => guest === "runs")).toBe(true);
      await goesOnHere();
    });

    test("a guest that is killed while its disks are copied is told as ever, and nothing of it executes there", async () => {
      const ends = await copying(await waiting());
      rig.source.killProcess(here);
      await rig.source.until("it is told", () => rig.source.events.length > 0);
      await rig.source.until("the move has ended", () => ends.length > 0);
      expect(ends).toMatchObject([{ kind: "refused", code: "vm-not-running" }]);
      expect(await abandon()).toEqual(done);
    });

    test("[S13] a new driver of the source lets it go on, and leaves no trace of the copies", async () => {
      await copying(await waiting());
      await rig.source.reopen();
      expect(await list("source")).toMatchObject([{ run: here, move: "leaving" }]);
      expect(await cancel()).toEqual(done);
      await goesOnHere();
      expect(await abandon()).toEqual(done);
      rig.removeImages("target");
      let doors: readonly Door[] = [];
      // It may have ended by itself, and is cleared away by its driver then.
      await rig.target.until("nothing of it is left", async () => {
        const next = await prepare();
        if (next.kind === "waiting") doors = next.doors;
        return next.kind !== "refused" || next.code !== "vm-run-exists";
      });
      // A driver that was opened anew may not have reached its QEMUs yet.
      let end = await copy(doors);
      await rig.source.until("its QEMU answers", async () => {
        const isDeaf = end.kind === "refused" && end.code === "vm-unresponsive";
        if (isDeaf) end = await copy(doors);
        return !isDeaf;
      });
      expect(end).toEqual(done);
    });

    test("[S13] new drivers on both sides bring it to its end", async () => {
      expect(await copy(await waiting())).toEqual(done);
      await rig.source.reopen();
      await rig.target.reopen();
      expect([await list("source"), await list("target")]).toMatchObject([[{ run: here }], [{ run: there }]]);
      expect(await switchOver()).toEqual(done);
      expect(await complete()).toEqual(done);
      await works("target");
    });

    test("[S15] the target dies before it has everything: the source goes on with its own disks once it owns the VM", async () => {
      expect(await copy(await waiting())).toEqual(done);
      rig.target.killProcess(there);
      await rig.target.until("the target's copy is gone", () => lost().length > 0);
      expect(await switchOver()).toMatchObject({ kind: "refused", code: "move-hand-over-failed" });
      expect(await ask("source", (driver, end) => driver.adopt(here, back, end))).toEqual(done);
      expect(await cancel(back)).toEqual(done);
      await works("source");
    });
  });
}
