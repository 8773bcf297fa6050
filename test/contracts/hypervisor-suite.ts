import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Epoch, Incarnation, VmId } from "../../src/model/ids.ts";
import type { Hypervisor, HypervisorEnd, RunningVm, StartRequest, VmEvent, VmRun } from "../../src/ports/hypervisor.ts";

/** What the tiny guest does by itself once it is up. */
export type GuestAct = "stay" | "poweroff" | "panic" | "reboot";

/** `ticks`: it writes to its disk all the time. */
export type GuestOptions = { readonly act: GuestAct; readonly disk: string; readonly ticks?: boolean };

/** A host of its own for one test: real or simulated. */
export interface HypervisorRig {
  readonly hypervisor: Hypervisor;
  /** All that was told since the rig exists, by every driver. */
  readonly events: readonly VmEvent[];
  /** A VM whose disk exists; VMs of the same `disk` share it. */
  request(run: VmRun, options: GuestOptions): StartRequest;
  openIncarnation(n: Incarnation): void;
  removeIncarnation(n: Incarnation): void;
  freeze(n: Incarnation, frozen: boolean): Promise<void>;
  killProcess(run: VmRun): void;
  /** SIGTERM from somebody who is not the driver. */
  quitProcess(run: VmRun): void;
  /** True once the guest of this run has said that it serves. */
  guestIsUp(run: VmRun): boolean;
  /** True once the guest of this run has powered off or panicked, whether or not a driver knows. */
  guestIsDown(run: VmRun): boolean;
  /** The agent dies and a new one comes; `meanwhile` happens in between. */
  reopen(meanwhile?: () => Promise<void>): Promise<void>;
  /** True while a process of this run exists, whoever looks. */
  processExists(run: VmRun): boolean;
  /** Waits, or lets virtual time pass, until it holds; throws with `what` where it never does. */
  until(what: string, holds: () => boolean | Promise<boolean>): Promise<void>;
  /** Runs a port call to its end. */
  end<T>(call: (done: (end: T) => void) => void): Promise<T>;
  close(): Promise<void>;
}

const one = 1 as Incarnation;
const two = 2 as Incarnation;
const done: HypervisorEnd = { kind: "done" };

function run(vm: string, epoch: number, incarnation = one): VmRun {
  return { vm: vm as VmId, incarnation, epoch: epoch as Epoch };
}

/** The contract of `ports/hypervisor.ts`, the same for every driver. */
export function hypervisorSuite(name: string, openRig: () => Promise<HypervisorRig>): void {
  describe(name, { timeout: 90_000 }, () => {
    let rig: HypervisorRig;
    beforeEach(async () => {
      rig = await openRig();
      rig.openIncarnation(one);
    });
    afterEach(() => rig.close());

    const list = () => rig.end<readonly RunningVm[]>((end) => rig.hypervisor.list(end));
    const start = (of: VmRun, act: GuestAct = "stay", disk: string = of.vm) =>
      rig.end<HypervisorEnd>((end) => rig.hypervisor.start(rig.request(of, { act, disk }), end));
    const kill = (of: VmRun) => rig.end<HypervisorEnd>((end) => rig.hypervisor.kill(of, end));
    const stop = (of: VmRun, graceMs: number) => rig.end<HypervisorEnd>((end) => rig.hypervisor.stop(of, graceMs, end));
    const adopt = (of: VmRun, as: VmRun) => rig.end<HypervisorEnd>((end) => rig.hypervisor.adopt(of, as, end));
    const exits = (of: VmRun) =>
      rig.events.flatMap((event) =>
        event.kind === "exited" && event.run.vm === of.vm && event.run.epoch === of.epoch ? [event.exit] : [],
      );
    const untilExit = (of: VmRun) => rig.until(`${of.vm} has exited`, () => exits(of).length > 0);

    test("[S14] start, list, reset, stop: a run bears its epoch and leaves nothing behind", async () => {
      const web = run("web", 7);
      expect(await start(web)).toEqual(done);
      expect(await list()).toEqual([{ run: web, state: "running", adopted: true }]);
      expect(rig.processExists(web)).toBe(true);
      expect(await rig.end<HypervisorEnd>((end) => rig.hypervisor.reset(web, end))).toEqual(done);
      expect(await stop(web, 0)).toEqual(done);
      expect(await list()).toEqual([]);
      expect(rig.processExists(web)).toBe(false);
      expect(exits(web)).toEqual([]);
    });

    test("a guest that is asked to power off within its grace does so", async () => {
      const web = run("web", 1);
      await start(web);
      await rig.until("the guest is up", () => rig.guestIsUp(web));
      expect(await stop(web, 60_000)).toEqual(done);
      expect(rig.processExists(web)).toBe(false);
    });

    test("[S25] one that is halted stands still for good: it is there until it is stopped, and a driver that finds it ends it", async () => {
      const halt = (of: VmRun) => rig.end<HypervisorEnd>((end) => rig.hypervisor.halt(of, 20_000, end));
      const web = run("web", 1);
      await start(web);
      await rig.until("the guest is up", () => rig.guestIsUp(web));
      expect(await halt(web)).toEqual(done);
      expect(rig.processExists(web)).toBe(true);
      expect(await list()).toMatchObject([{ run: web, state: "paused" }]);
      expect(await stop(web, 0)).toEqual(done);
      expect(rig.processExists(web)).toBe(false);
      expect(exits(web)).toEqual([]);
      expect((await halt(web)).kind).toBe("refused");
      const db = run("db", 1);
      await start(db);
      await rig.until("the guest is up", () => rig.guestIsUp(db));
      expect(await halt(db)).toEqual(done);
      await rig.reopen();
      await untilExit(db);
      expect(exits(db)).toEqual(["guest-shutdown"]);
      expect(rig.processExists(db)).toBe(false);
    });

    test("stop and kill of what does not run are done; reset is refused", async () => {
      const none = run("none", 1);
      expect(await kill(none)).toEqual(done);
      expect(await stop(none, 0)).toEqual(done);
      expect(await rig.end<HypervisorEnd>((end) => rig.hypervisor.reset(none, end))).toMatchObject({
        kind: "refused",
        code: "vm-not-running",
      });
    });

    test("[S14] the same run is not started twice", async () => {
      const web = run("web", 1);
      await start(web);
      expect(await start(web)).toMatchObject({ kind: "refused", code: "vm-run-exists" });
      expect(await list()).toHaveLength(1);
    });

    test("a second run of the same disk is refused by the image's lock and leaves nothing", async () => {
      const web = run("web", 1);
      const twin = run("twin", 1);
      await start(web, "stay", "disk");
      expect(await start(twin, "stay", "disk")).toMatchObject({ kind: "refused", code: "vm-image-locked" });
      expect(await list()).toEqual([{ run: web, state: "running", adopted: true }]);
    });

    test("a missing disk image is refused by name", async () => {
      expect(await start(run("web", 1), "stay", "missing")).toMatchObject({
        kind: "refused",
        code: "vm-image-missing",
      });
      expect(await list()).toEqual([]);
    });

    test("[S6] a removed incarnation starts nothing, and nothing of the attempt is left", async () => {
      rig.removeIncarnation(one);
      expect(await start(run("web", 1))).toMatchObject({ kind: "refused", code: "incarnation-gone" });
      expect(await list()).toEqual([]);
      rig.openIncarnation(one);
      expect(await start(run("web", 1))).toEqual(done);
    });

    test("[S6] a frozen run is listed as frozen and killed without a thaw; its lock is free at once", async () => {
      const web = run("web", 1);
      await start(web, "stay", "disk");
      await rig.freeze(one, true);
      expect(await list()).toEqual([{ run: web, state: "frozen", adopted: true }]);
      expect(await kill(web)).toEqual(done);
      expect(rig.processExists(web)).toBe(false);
      rig.openIncarnation(two);
      expect(await start(run("web", 2, two), "stay", "disk")).toEqual(done);
      expect(exits(web)).toEqual([]);
    });

    test("[S11] an adopted run leaves the frozen incarnation, goes on, and is ended under its new name", async () => {
      const old = run("web", 1);
      const adopted = run("web", 2, two);
      await start(old);
      await rig.freeze(one, true);
      rig.openIncarnation(two);
      expect(await adopt(old, adopted)).toEqual(done);
      expect(await list()).toEqual([{ run: adopted, state: "running", adopted: true }]);
      rig.killProcess(adopted);
      await untilExit(adopted);
      expect(exits(adopted)).toEqual(["killed"]);
      expect(exits(old)).toEqual([]);
    });

    test("[S11] what does not run is not adopted", async () => {
      expect(await adopt(run("web", 1), run("web", 2))).toMatchObject({ kind: "refused", code: "vm-not-running" });
    });

    test("[S13] a new driver takes up what runs, and ends it", async () => {
      const web = run("web", 1);
      await start(web);
      await rig.reopen();
      expect(await list()).toEqual([{ run: web, state: "running", adopted: true }]);
      rig.killProcess(web);
      await untilExit(web);
      expect(exits(web)).toEqual(["killed"]);
    });

    test("[S13] a guest that powered off while no driver was there is known as such afterwards", async () => {
      const web = run("web", 1);
      await start(web, "poweroff");
      await rig.reopen(() => rig.until("the guest is down", () => rig.guestIsDown(web)));
      expect(exits(web)).toEqual([]);
      await untilExit(web);
      expect(exits(web)).toEqual(["guest-shutdown"]);
      expect(await list()).toEqual([]);
    });

    test("[S6] a start into a frozen incarnation stands still until the thaw", async () => {
      const web = run("web", 1);
      await rig.freeze(one, true);
      const ends: HypervisorEnd[] = [];
      rig.hypervisor.start(rig.request(web, { act: "stay", disk: "disk" }), (end) => ends.push(end));
      await rig.until("it has a process", () => rig.processExists(web));
      expect((await list()).map(({ state }) => state)).toEqual(["frozen"]);
      expect(ends).toEqual([]);
      await rig.freeze(one, false);
      await rig.until("the start has ended", () => ends.length > 0);
      expect(ends).toEqual([done]);
    });

    test("[S6] a new driver lists a frozen run without waiting for it, and kills it", async () => {
      const web = run("web", 1);
      await start(web);
      await rig.freeze(one, true);
      await rig.reopen();
      expect((await list()).map(({ state }) => state)).toEqual(["frozen"]);
      expect(await kill(web)).toEqual(done);
      expect(await list()).toEqual([]);
    });

    test("ends are told apart: power-off and panic from inside, kill -9, SIGTERM", async () => {
      const cases = [
        { of: run("off", 1), act: "poweroff", exit: "guest-shutdown" },
        { of: run("panic", 1), act: "panic", exit: "panicked" },
      ] as const;
      const killed = run("killed", 1);
      const quit = run("quit", 1);
      for (const { of, act } of cases) await start(of, act);
      await start(killed);
      await start(quit);
      rig.killProcess(killed);
      rig.quitProcess(quit);
      for (const of of [killed, quit, ...cases.map((each) => each.of)]) await untilExit(of);
      expect(exits(killed)).toEqual(["killed"]);
      expect(exits(quit)).toEqual(["host-quit"]);
      for (const { of, exit } of cases) expect(exits(of)).toEqual([exit]);
      expect(await list()).toEqual([]);
    });

    test("a reboot from inside is told and ends nothing", async () => {
      const web = run("web", 1);
      await start(web, "reboot");
      await rig.until("the guest rebooted", () => rig.events.some(({ kind }) => kind === "guest-rebooted"));
      expect(exits(web)).toEqual([]);
      expect(await list()).toEqual([{ run: web, state: "running", adopted: true }]);
    });
  });
}
