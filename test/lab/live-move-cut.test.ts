import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { labLocalPool } from "../../lab/cluster.ts";
import { type Ended, runCommand, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { lifeOf, oneLife, openWritingGuest, type WritingGuest } from "../support/writing-guest.ts";

const command = join(import.meta.dirname, "..", "..", "holdfast");

describe("A host is cut off from everything while a VM with its disk in a local pool moves", () => {
  let guest: WritingGuest;
  let lab: TestLab;
  let web: TestVm;

  beforeAll(async () => {
    guest = await openWritingGuest({ client: "cut", pool: labLocalPool });
    ({ lab, web } = guest);
    expect((await lab.holdfast("policy", "set", "--migration-bandwidth", "4")).code).toBe(0);
  });
  afterAll(() => guest?.close());
  afterEach(() => {
    expect(lab.watcher.doubleRuns).toEqual([]);
    expect(lab.history.fences()).toEqual([]);
  });

  /** Asked on this very host, as whoever sits there would. */
  const at = (host: string, ...line: readonly string[]): Promise<Ended> =>
    runCommand(command, line, { HOLDFAST_SOCKET: join(lab.world.dir, host, "run", "api.sock") });
  const cutOff = async (host: string): Promise<void> => {
    for (const link of ["management", "availability"]) await lab.fault("cut", { host, link });
  };
  const isCopying = () => (lab.history.view.statuses.get(web.id)?.value.copying?.percent ?? 0) > 0 || undefined;

  /** Ordered on that host, and begun. */
  async function onItsWay(asked: "source" | "target") {
    const { boots } = await web.answers();
    const { host: from, epoch } = web.owner();
    const [to = "", third = ""] = lab.world.hosts.map(({ name }) => name).filter((name) => name !== from);
    const order = at(asked === "source" ? from : to, "vm", "migrate", "web", to);
    await waitFor("its disk to be copied", isCopying);
    return { boots, from, epoch, to, third, order };
  }

  async function expectUntouched({
    from,
    epoch,
    boots,
  }: {
    from: string;
    epoch: number;
    boots: number;
  }): Promise<void> {
    expect(web.owner()).toMatchObject({ host: from, epoch });
    expect(await lifeOf(guest)).toEqual(oneLife(boots));
    await waitFor("nothing of the copy to be left", () => lab.history.view.replicas.size === 0 || undefined);
  }

  it("[S15, HM2] its target: the guest goes on, whoever asked there hears why once it is back, and no word says that it stood still there", async () => {
    const move = await onItsWay("target");
    const { from, to, order } = move;
    await cutOff(to);
    const failed = () => lab.history.events("vm-move-failed").at(-1)?.event.reason?.code;
    await waitFor("the move to be given up", () => failed() === "move-target-silent" || undefined);
    await guest.writer.goesOn();
    const old = await waitFor("the target to know that it is cut off", async () => {
      const { out } = await at(to, "task", "list");
      return out.startsWith("This host last heard from the cluster's store") ? out : undefined;
    });
    expect(old).toContain(`${from} is not heard; its last word: `);
    await waitFor(
      "its copy there to be frozen",
      () => lab.watcher.alive(web.id).some(({ host, frozenAt }) => host === to && frozenAt !== null) || undefined,
    );
    await lab.fault("heal");
    const { code, err } = await order;
    expect([code, err]).toEqual([1, expect.stringContaining("Code:    move-target-silent\n")]);
    await lab.settle();
    await expectUntouched(move);
    const { out } = await at(from, "explain", "web");
    expect(out).toContain("has not been heard of for too long");
    expect(out).not.toContain("stood still");
  });

  it("[S15, S2] its source: others see whose last word it is and may call it off; it stands there, and goes on with the cables", async () => {
    const move = await onItsWay("source");
    const { from, third, order } = move;
    await cutOff(from);
    const told = `${from} is not heard; its last word: `;
    await waitFor(
      "a third host to say so",
      async () => (await at(third, "task", "list")).out.includes(told) || undefined,
    );
    expect((await at(third, "vm", "show", "web")).out).toContain(told);
    await waitFor(
      "its own host to say that it stands",
      async () => /^State +frozen$/mu.test((await at(from, "vm", "show", "web")).out) || undefined,
    );
    expect((await at(from, "vm", "cancel-move", "web")).err).toContain("store-not-reachable");
    expect((await at(third, "vm", "cancel-move", "web")).code).toBe(0);
    await lab.fault("heal");
    const { code, err } = await order;
    expect([code, err]).toEqual([1, expect.stringContaining("Code:    move-cancelled\n")]);
    await lab.settle();
    await expectUntouched(move);
    expect((await at(third, "explain", "web")).out).toContain(`VM web stood still on host ${from} for `);
  });
});
