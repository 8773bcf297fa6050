import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { labLocalPool } from "../../lab/cluster.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../support/lab-writer.ts";

const group = "office";
let lab: TestLab;
let web: TestVm;
let writer: Writer;

const becomesNormal = () =>
  waitFor("the group to be Normal", async () => {
    const shown = await lab
      .client("h2")
      .group.show({ group })
      .catch(() => undefined);
    return shown?.group.status === "Normal" || undefined;
  });

beforeAll(async () => {
  lab = await openTestLab(false, "pair");
  web = await lab.guest("web", 50, null, labLocalPool);
  await lab.client("h1").group.create({ group, from: "h1", to: "h2", vms: ["web"] });
  await becomesNormal();
  writer = writeNumbers(lab.world.reach, web.address, "client");
  await writer.goesOn();
}, 240_000);
afterAll(async () => {
  await writer?.stop();
  await lab?.close();
}, 60_000);

test("[S24] a host and the witness lost: the other host goes on alone by order, and both come back by themselves", async () => {
  for (const host of ["h1", "h3"]) await lab.fault("power-off", { host });
  const socket = join(lab.host("h2").plan.dirs.run, "api.sock");
  const takeOver = (claim: string) => lab.holdfast("--socket", socket, "cluster", "takeover", claim, "--json");
  expect(await takeOver("--peer-is-off")).toMatchObject({ code: 1, err: expect.stringContaining("takeover-not-two") });
  const taken = await takeOver("--others-are-off");
  expect(taken).toMatchObject({ code: 0 });
  // The witness and h1 may have decided without h2 that its copy lacks something: it is taken by an order alone.
  expect(JSON.parse(taken.out)).toMatchObject({ done: true, vms: [{ name: "web", why: { code: "replica-unknown" } }] });
  // Its view follows the store, which has just been forced, a moment later.
  const vms = await waitFor("the loss to be stated", async () => {
    const known = await lab.client("h2").group.losses({ group, to: "h2" });
    return known.vms.some(({ code }) => code === "replica-unknown") ? known.vms : undefined;
  });
  await lab.client("h2").group.failover({ group, to: "h2", accept: vms.map(({ accept }) => accept) });
  await waitFor("web to be on h2", () => (web.owner().host === "h2" ? true : undefined));
  await writer.goesOn();
  expect(writer.lost(() => web.disk())).toEqual([]);
  for (const host of ["h1", "h3"]) await lab.fault("power-on", { host });
  await waitFor("both to vote again", () => {
    const forced = lab.history.view.cluster?.value.forced;
    return (forced !== undefined && forced.without.length === 0) || undefined;
  });
  await becomesNormal();
  await writer.goesOn();
  expect(writer.lost(() => web.disk())).toEqual([]);
  expect(lab.watcher.doubleRuns).toEqual([]);
}, 300_000);
