import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { HostId, Incarnation, VmId } from "../../src/model/ids.ts";
import type { VmRun } from "../../src/ports/hypervisor.ts";
import type { IncomingEnd } from "../../src/ports/migration.ts";
import { back, disk, done, here, type MigrationRig, movesOf, one, there } from "./migration-calls.ts";

/** The contract of `ports/migration.ts`, the same for every driver. */
export function migrationSuite(name: string, openRig: () => Promise<MigrationRig>): void {
  describe(name, { timeout: 120_000 }, () => {
    let rig: MigrationRig;
    const { ask, list, guest, start, prepare, waiting, request, copy, copying, progress } = movesOf(() => rig);
    const { switchOver, cancel, complete, abandon, kill, adopt, health, lost, running } = movesOf(() => rig);
    const { ready, handedOver, expectGoesOnHere } = movesOf(() => rig);
    beforeEach(async () => {
      rig = await openRig();
      rig.source.openIncarnation(one);
      rig.target.openIncarnation(one);
    });
    afterEach(() => rig.close());

    test("[S15] a guest moves, stopped first where there is no KVM, and lives on in the next epoch alone", async () => {
      await start();
      await rig.untilWorks(disk);
      const doors = await waiting();
      expect(await list("target")).toEqual([{ run: there, state: "paused", adopted: true, move: "incoming" }]);
      expect(await copy(doors)).toEqual(done);
      expect(await list("source")).toEqual([{ run: here, state: "paused", adopted: true, move: "leaving" }]);
      expect(await rig.standsStill(disk)).toBe(true);
      expect(await switchOver()).toEqual(done);
      expect((await list("source")).map(({ move }) => move)).toEqual(["handed"]);
      expect(await rig.standsStill(disk)).toBe(true);
      expect(await complete()).toEqual(done);
      await rig.untilWorks(disk);
      expect(await list("target")).toEqual(running(there));
      expect(await health("target", there)).toEqual({ executes: true, agent: rig.agent });
      expect(await kill("source", here)).toEqual(done);
      expect([rig.source.events, rig.target.events, lost()]).toEqual([[], [], []]);
      const told = progress();
      expect(told.map(({ guest: state, link }) => `${state} ${link}`)).toEqual(
        told.map(() => `stopped ${rig.address}`),
      );
      expect(told.at(-1)).toMatchObject({ percent: 100 });
    });

    test("[S15] the image's lock goes along: nobody else opens it at any moment of a move", async () => {
      const third: VmRun = { ...here, vm: "third" as VmId };
      const attempt = () => ask("target", (driver, end) => driver.start(rig.target.request(third, guest), end));
      const refused = { kind: "refused", code: "vm-image-locked" };
      await ready();
      expect(await attempt()).toMatchObject(refused);
      await switchOver();
      await complete();
      expect(await attempt()).toMatchObject(refused);
      await kill("source", here);
      expect(await attempt()).toMatchObject(refused);
    });

    test("a guest that came by a move leaves by one", async () => {
      await handedOver();
      await complete();
      await kill("source", here);
      const home = {
        ...rig.source.request(back, guest),
        from: "b" as HostId,
        addresses: [rig.homeAddress],
        tls: false,
      };
      const end = await rig.source.end<IncomingEnd>((ended) => rig.source.hypervisor.prepareIncoming(home, ended));
      const doors = end.kind === "waiting" ? end.doors : [];
      const out = { ...request(doors), to: "a" as HostId, as: back };
      expect(await ask("target", (driver, ended) => driver.migrateOut(there, out, ended))).toEqual(done);
      expect(await ask("target", (driver, ended) => driver.switchOver(there, ended))).toEqual(done);
      expect(await ask("source", (driver, ended) => driver.completeIncoming(back, 20_000, ended))).toEqual(done);
      await rig.untilWorks(disk);
      expect(await list("source")).toEqual(running(back));
    });

    test("a link that does not connect is passed over; the one that is used is told", async () => {
      await start();
      const doors = await waiting();
      expect(await copy([rig.deadDoor, ...doors])).toEqual(done);
      expect(progress().at(-1)).toMatchObject({ link: rig.address });
    });

    test("no link connects: refused with what was tried, and the guest never stood still", async () => {
      await start();
      await waiting();
      const end = await copy([rig.deadDoor]);
      expect(end).toMatchObject({ kind: "refused", code: "move-no-link", params: { to: "b" } });
      expect(end.kind === "refused" && String(end.params["tried"])).toContain(rig.deadDoor.address);
      await expectGoesOnHere();
      expect(progress()).toEqual([]);
      expect(await abandon()).toEqual(done);
      expect(await list("target")).toEqual([]);
    });

    test("a door lets in the run that it waits for, once", async () => {
      await start();
      const doors = await waiting();
      expect(await copy(doors, { as: back })).toMatchObject({ code: "move-no-link" });
      expect(await copy(doors)).toEqual(done);
      expect(await cancel()).toEqual(done);
      expect(await copy(doors)).toMatchObject({ kind: "refused", code: "move-no-link" });
      await expectGoesOnHere();
    });

    test("what cannot wait for a guest is refused by name, and leaves nothing", async () => {
      expect(await prepare({ addresses: [rig.foreignAddress] })).toMatchObject({ code: "move-no-address" });
      const gone = { ...there, incarnation: 9 as Incarnation };
      expect(await prepare(rig.target.request(gone, guest))).toMatchObject({ code: "incarnation-gone" });
      const missing = rig.target.request(there, { ...guest, disk: "missing" });
      expect(await prepare({ vm: missing.vm })).toMatchObject({ code: "vm-image-missing" });
      expect(await list("target")).toEqual([]);
      await waiting();
      expect(await prepare()).toMatchObject({ code: "vm-run-exists" });
      expect(await ask("target", (driver, end) => driver.start(rig.target.request(there, guest), end))).toMatchObject({
        code: "vm-run-exists",
      });
      expect(await list("target")).toHaveLength(1);
    });

    test("what cannot leave is refused; a second attempt beside the first is", async () => {
      expect(await copy([rig.deadDoor])).toMatchObject({ kind: "refused", code: "vm-not-running" });
      await start();
      await rig.untilWorks(disk);
      const ends = await copying(await waiting());
      expect(await copy([rig.deadDoor])).toMatchObject({ kind: "refused", code: "move-under-way" });
      expect(await switchOver()).toMatchObject({ kind: "refused", code: "move-not-ready" });
      expect(ends).toEqual([]);
      expect(await cancel()).toEqual(done);
    });

    test("[S15] cancelled while it is copied: the guest goes on here, the target's copy is lost and gone", async () => {
      await start();
      await rig.untilWorks(disk);
      const ends = await copying(await waiting());
      expect(await cancel()).toEqual(done);
      expect(ends).toMatchObject([{ kind: "refused", code: "move-cancelled" }]);
      await rig.target.until("the target's copy is gone", () => lost().length > 0);
      expect(await abandon()).toEqual(done);
      expect(rig.target.processExists(there)).toBe(false);
      await expectGoesOnHere();
      await rig.untilWorks(disk);
      expect(rig.target.events).toEqual([]);
    });

    test("[S15] cancelled right before the hand-over, and when nothing is under way", async () => {
      await start();
      expect(await cancel()).toEqual(done);
      await copy(await waiting());
      expect(await cancel()).toEqual(done);
      await expectGoesOnHere();
      await rig.target.until("the target's copy is gone", () => lost().length > 0);
      expect(await copy(await waiting())).toEqual(done);
    });

    test("[S15] the target dies while it receives: refused, and the guest goes on here", async () => {
      await start();
      await rig.untilWorks(disk);
      const ends = await copying(await waiting());
      rig.target.killProcess(there);
      await rig.source.until("the move has ended", () => ends.length > 0);
      expect(ends).toMatchObject([{ kind: "refused", code: "move-broke-off" }]);
      await expectGoesOnHere();
      await rig.target.until("the target tells", () => lost().length > 0);
      expect(rig.target.events).toEqual([]);
    });

    test("[S15] a target that takes nothing for too long: broken off, and the guest goes on here", async () => {
      await start();
      await rig.untilWorks(disk);
      const ends = await copying(await waiting(), 3);
      await rig.target.freeze(one, true);
      await rig.source.until("the move has ended", () => ends.length > 0);
      expect(ends).toMatchObject([{ kind: "refused", code: "move-broke-off" }]);
      await expectGoesOnHere();
      expect(lost()).toEqual([]);
      await rig.target.freeze(one, false);
      await rig.target.until("the target's copy is gone", () => lost().length > 0);
    });

    test("a guest that is killed while it is copied is gone on both sides", async () => {
      await start();
      await rig.untilWorks(disk);
      const ends = await copying(await waiting());
      expect(await kill("source", here)).toEqual(done);
      await rig.target.until("the target's copy is gone", () => lost().length > 0);
      await rig.source.until("its copying has ended", () => ends.length > 0);
      expect(ends).toMatchObject([{ kind: "refused", code: "vm-not-running" }]);
      expect([await list("source"), await list("target")]).toEqual([[], []]);
      expect([rig.source.events, rig.target.events]).toEqual([[], []]);
    });

    test("[S15] the target dies before it has everything: the source stands still until it owns the VM again", async () => {
      await start();
      await rig.untilWorks(disk);
      await copy(await waiting());
      rig.target.killProcess(there);
      await rig.target.until("the target's copy is gone", () => lost().length > 0);
      expect(await switchOver()).toMatchObject({ kind: "refused", code: "move-hand-over-failed" });
      expect(await complete()).toMatchObject({ kind: "refused", code: "move-nothing-incoming" });
      expect(await cancel()).toMatchObject({ kind: "refused", code: "move-handed-over" });
      expect(await rig.standsStill(disk)).toBe(true);
      expect(await adopt(here, back)).toEqual(done);
      expect(await cancel(back)).toEqual(done);
      await rig.untilWorks(disk);
      expect(await list("source")).toEqual(running(back));
    });

    test("[S15] the target is destroyed before it went on: the source has it all, and goes on once it is the owner", async () => {
      await handedOver();
      expect(await abandon()).toEqual(done);
      expect(await complete()).toMatchObject({ kind: "refused", code: "move-nothing-incoming" });
      expect(await cancel()).toMatchObject({ kind: "refused", code: "move-handed-over" });
      expect(await switchOver()).toEqual(done);
      expect(await adopt(here, back)).toEqual(done);
      expect(await cancel(back)).toEqual(done);
      expect(await list("source")).toEqual(running(back));
    });

    test("[S15] a guest that went on at the target is not abandoned", async () => {
      await handedOver();
      expect(await complete()).toEqual(done);
      expect(await complete()).toEqual(done);
      expect(await abandon()).toMatchObject({ kind: "refused", code: "move-has-executed" });
      expect(await list("target")).toEqual(running(there));
    });

    test("the source dies: told as ever, and nothing of the guest executes at the target", async () => {
      await start();
      await rig.untilWorks(disk);
      const ends = await copying(await waiting());
      rig.source.killProcess(here);
      await rig.source.until("it is told", () => rig.source.events.length > 0);
      expect(rig.source.events).toMatchObject([{ kind: "exited", run: here, exit: "killed" }]);
      expect(ends).toMatchObject([{ kind: "refused", code: "vm-not-running" }]);
      await rig.target.until("the target's copy is gone", () => lost().length > 0);
      expect(await complete(0)).toMatchObject({ kind: "refused" });
      expect(await start(there)).toEqual(done);
    });

    test("[S15] the source dies right before the hand-over: the target never goes on", async () => {
      await ready();
      rig.source.killProcess(here);
      await rig.source.until("it is told", () => rig.source.events.length > 0);
      expect(await switchOver()).toMatchObject({ kind: "unknown" });
      expect(await complete(500)).toMatchObject({ kind: "refused" });
      expect(await abandon()).toEqual(done);
    });

    test("the source dies after the hand-over: nobody cares", async () => {
      await handedOver();
      rig.source.killProcess(here);
      expect(await complete()).toEqual(done);
      expect(await kill("source", here)).toEqual(done);
      expect(await list("target")).toEqual(running(there));
      expect(rig.source.events).toEqual([]);
    });

    test("an order to go on before everything came is refused, and is not remembered", async () => {
      await ready();
      expect(await complete(50)).toMatchObject({ kind: "refused", code: "move-incomplete" });
      await switchOver();
      expect(await rig.standsStill(disk)).toBe(true);
      expect(await complete()).toEqual(done);
    });

    test("[S2] a frozen target does not answer, and goes on by a new order after its thaw", async () => {
      await handedOver();
      await rig.target.freeze(one, true);
      expect(await complete()).toMatchObject({ kind: "unknown" });
      expect(await list("target")).toEqual([{ run: there, state: "frozen", adopted: true, move: "incoming" }]);
      await rig.target.freeze(one, false);
      expect(await rig.standsStill(disk)).toBe(true);
      expect(await complete()).toEqual(done);
      await rig.untilWorks(disk);
    });

    test("[S6] a frozen target's copy is abandoned without a thaw", async () => {
      await ready();
      await rig.target.freeze(one, true);
      expect(await abandon()).toEqual(done);
      expect(rig.target.processExists(there)).toBe(false);
      expect(await cancel()).toEqual(done);
      await expectGoesOnHere();
    });

    test("[S2] a frozen source neither begins, nor hands over, nor cancels; after its thaw it does", async () => {
      await start();
      const doors = await waiting();
      await rig.source.freeze(one, true);
      expect(await copy(doors)).toMatchObject({ kind: "refused", code: "vm-unresponsive" });
      await rig.source.freeze(one, false);
      expect(await copy(doors)).toEqual(done);
      await rig.source.freeze(one, true);
      expect(await switchOver()).toMatchObject({ kind: "unknown" });
      expect(await cancel()).toMatchObject({ kind: "unknown" });
      expect(await list("source")).toEqual([{ run: here, state: "frozen", adopted: true, move: "leaving" }]);
      await rig.source.freeze(one, false);
      expect(await switchOver()).toEqual(done);
      expect(await complete()).toEqual(done);
    });

    test("[S13] a new driver of the source finds the guest leaving, and lets it go on", async () => {
      await start();
      await rig.untilWorks(disk);
      await copying(await waiting());
      await rig.source.reopen();
      expect(await list("source")).toMatchObject([{ run: here, move: "leaving" }]);
      expect(await cancel()).toEqual(done);
      await expectGoesOnHere();
    });

    test("[S13, S15] a new driver of the source never lets go on what was handed over", async () => {
      await handedOver();
      await rig.source.reopen();
      expect((await list("source")).map(({ move }) => move)).toEqual(["handed"]);
      expect(await cancel()).toMatchObject({ kind: "refused", code: "move-handed-over" });
      expect(await switchOver()).toEqual(done);
      expect(rig.source.events).toEqual([]);
      expect(await kill("source", here)).toEqual(done);
    });

    test("[S13] new drivers on both sides bring the move to its end", async () => {
      await ready();
      await rig.source.reopen();
      await rig.target.reopen();
      expect(await list("target")).toMatchObject([{ run: there, move: "incoming" }]);
      expect(await switchOver()).toEqual(done);
      expect(await complete()).toEqual(done);
      expect(await list("target")).toEqual(running(there));
      expect(rig.target.events).toEqual([]);
    });

    test("[S13, S15] a driver that has not heard of its QEMU yet takes that for no refusal, on neither side", async () => {
      await ready();
      await rig.source.reopen();
      expect(await switchOver()).toEqual(done);
      await rig.target.reopen();
      expect(await complete()).toEqual(done);
      await rig.untilWorks(disk);
    });

    test("[S13, S15] whose driver dies over letting a guest go on: the next one does it", async () => {
      await handedOver();
      rig.target.hypervisor.completeIncoming(there, 20_000, () => undefined);
      await rig.target.reopen();
      expect(await complete()).toEqual(done);
      expect(await list("target")).toEqual(running(there));
      await rig.untilWorks(disk);
    });

    test("[S13] a target's copy that ended while no driver was there is told as lost, not as an end of the VM", async () => {
      await ready();
      await rig.target.reopen(async () => {
        rig.target.killProcess(there);
      });
      await rig.target.until("it is told", () => lost().length > 0);
      expect(rig.target.events).toEqual([]);
      expect(await list("target")).toEqual([]);
    });
  });
}
