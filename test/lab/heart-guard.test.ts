import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import type { Copy } from "../support/lab-watch.ts";
import { watchPage } from "../support/page-watch.ts";

describe("Hearts and guards", () => {
  let lab: TestLab;
  let web: TestVm;

  beforeAll(async () => {
    lab = await openTestLab();
    web = await lab.guest("web", 50);
  });
  afterAll(() => lab?.close());
  afterEach(async () => {
    expect(lab.watcher.doubleRuns).toEqual([]);
    await lab.settle();
    const epochs = web.disk().records.map((record) => record.epoch);
    expect(epochs, "no epoch writes after a later one").toEqual([...epochs].sort((a, b) => a - b));
  });

  function copyNow(): Copy {
    const copy = web.running();
    if (copy === undefined) throw new Error("web does not run");
    return copy;
  }

  /** Ends once another host has the VM; returns how long before the fence record the old copy stood still. */
  async function takenFrom(old: Copy): Promise<number> {
    const isNew = () => lab.watcher.alive(web.id).find((copy) => copy.epoch > old.epoch);
    const taker = await waitFor("the next copy", isNew);
    expect(taker.host).not.toBe(old.host);
    expect(taker.epoch).toBe(old.epoch + 1);
    expect(old.goneAt, "the old copy ended before the new one began").toBeLessThan(taker.firstSeenAt);
    // What the new copy's host acts on may reach this process a little later.
    const ofTaker = () => lab.history.owners(web.id).find(({ owner }) => owner.epoch === taker.epoch);
    const taken = await waitFor("the owner record", ofTaker);
    const fences = lab.history.fences(old.host).filter(({ name }) => name.incarnation === old.incarnation);
    const [first] = fences;
    const proven = fences.find(({ fence }) => fence.proofs.includes("power-off"));
    expect(first?.fence.proofs).toEqual(["silence"]);
    expect(first?.revision).toBeLessThan(proven?.revision ?? 0);
    expect(proven?.revision).toBeLessThan(taken.revision);
    return (first?.at ?? 0) - (old.frozenAt ?? Number.POSITIVE_INFINITY);
  }

  it.each([
    ["heart stopped", "freeze", "heart"],
    ["guard a stopped", "freeze", "guard-a"],
    ["guard b stopped", "freeze", "guard-b"],
    ["cut off", "cut", undefined],
    ["cut off in one direction: it hears nothing", "cut-in", undefined],
    ["cut off in the other: it is not heard", "cut-out", undefined],
  ])("[S3, S4, S5] %s: the VM stands still before the fence record, and is taken over", async (_, fault, process) => {
    const old = copyNow();
    await lab.fault(fault, { host: old.host, process });
    const leadMs = await takenFrom(old);
    console.info(`${fault} ${process ?? ""}: frozen ${Math.round(leadMs)} ms before the fence record`);
    expect(leadMs).toBeGreaterThan(0);
    expect(old.thaws).toBe(0);
  });

  it.each([[["heart"]], [["guard-a"]], [["guard-b"]], [["guard-a", "guard-b"]], [["heart", "guard-a", "guard-b"]]])(
    "[S1, S4] %j killed: the supervisor starts it again, the incarnation stays, and no VM notices",
    async (programs) => {
      await web.answers();
      const before = { owner: web.owner(), pids: web.pids(), copy: copyNow() };
      const page = watchPage(lab.world.reach, web.address);
      const { host } = before.owner;
      const old = programs.map((program) => lab.host(host).pidOf(program));
      await Promise.all(programs.map((process) => lab.fault("kill", { host, process })));
      const isNew = (program: string, i: number) => ![undefined, old[i]].includes(lab.host(host).pidOf(program));
      await waitFor("the new processes", () => programs.every(isNew) || undefined);
      // A heartbeat that commits was stamped by both guards, and its commit is what their next deadline comes from.
      const known = lab.history.entries.length;
      const beats = () =>
        lab.history.entries.slice(known).filter(({ name }) => name.kind === "heartbeat" && name.host === host);
      await waitFor("three more heartbeats", () => beats().length >= 3 || undefined);
      expect({ owner: web.owner(), pids: web.pids(), copy: copyNow() }).toEqual(before);
      expect(before.copy.thaws).toBe(0);
      expect((await page.stop()).failed).toBe(0);
    },
  );

  it("[S6, S10] a host frozen as a whole and thawed after its fence record: nothing of that incarnation goes on", async () => {
    const old = copyNow();
    await lab.fault("freeze-host", { host: old.host });
    const fenced = await waitFor("the fence record", () =>
      lab.history.fences(old.host).find(({ name }) => name.incarnation === old.incarnation),
    );
    await lab.fault("thaw-host", { host: old.host });
    await waitFor("the guards to hold it, or its end", () => old.frozenAt !== null || old.goneAt !== null || undefined);
    await takenFrom(old);
    expect(fenced.fence.cause).toBe("silence");
    await lab.settle();
    expect(lab.watcher.alive(web.id).filter((copy) => copy.epoch <= old.epoch)).toEqual([]);
    expect(lab.history.view.hosts.get(old.host as never)?.value.incarnation).toBeGreaterThan(old.incarnation);
  });

  it("[S10] both guards and the heart stopped: the power controller is the stop", async () => {
    const old = copyNow();
    await Promise.all(
      ["guard-a", "guard-b", "heart"].map((process) => lab.fault("freeze", { host: old.host, process })),
    );
    await takenFrom(old);
    expect(old.frozenAt).toBeNull();
  });
});
