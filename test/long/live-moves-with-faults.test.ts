import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../support/lab-writer.ts";

const moves = 12;
/** A move of the lab's guest takes about two seconds. */
const withinMs = 2_000;
const troubles = ["agent", "agent", "qemu", "frozen-agent", "none"] as const;

describe("Live moves in which something goes wrong at any moment", () => {
  let lab: TestLab;
  let web: TestVm;
  let writer: Writer;

  beforeAll(async () => {
    lab = await openTestLab();
    web = await lab.guest("web", 50);
    writer = writeNumbers(lab.world.reach, web.address, "faults");
    await writer.goesOn();
  });
  afterAll(async () => {
    await writer?.stop();
    await lab?.close();
  });

  function expectNothingLost(): void {
    expect(writer.lost(web.disk)).toEqual([]);
    expect(lab.watcher.doubleRuns).toEqual([]);
  }

  async function strike(at: string, trouble: (typeof troubles)[number]): Promise<void> {
    if (trouble === "agent") await lab.fault("kill", { host: at, process: "agent" });
    if (trouble === "frozen-agent") await lab.fault("freeze", { host: at, process: "agent" });
    const pid = trouble === "qemu" ? lab.host(at).vmPids(web.id)[0] : undefined;
    if (pid !== undefined) process.kill(pid, "SIGKILL");
  }

  it("[S15] double runs 0, lost writes 0", async () => {
    const random = seededRandom("live moves with faults");
    const told: string[] = [];
    for (let n = 0; n < moves; n++) {
      const from = web.owner().host;
      const to = random.pick(lab.world.hosts.map((host) => host.name).filter((name) => name !== from));
      const [at, trouble, afterMs] = [random.pick([from, to]), random.pick(troubles), random.below(withinMs)];
      await lab.client().vm.migrate({ vm: "web", to });
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await strike(at, trouble);
      await lab.settle();
      await waitFor("the move to be over", () => !lab.history.view.moves.has(web.id) || undefined);
      await waitFor("one copy", () => lab.watcher.alive(web.id).length === 1 || undefined);
      await writer.goesOn();
      expectNothingLost();
      told.push(`${from} -> ${to}: ${trouble} of ${at} after ${afterMs} ms: on ${web.owner().host}`);
    }
    console.info(told.join("\n"));
  });
});
