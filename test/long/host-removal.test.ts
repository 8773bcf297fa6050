import { afterAll, beforeAll, expect, test } from "vitest";
import { type EtcdStore, openEtcdStore } from "../../src/adapters/etcd/store.ts";
import type { HostId } from "../../src/model/ids.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../support/lab-writer.ts";

const gone = "h4" as HostId;
let lab: TestLab;
let web: TestVm;
let writer: Writer;
let store: EtcdStore;

/** Names of the members that vote, as etcd has them. */
async function voters(): Promise<readonly string[]> {
  const end = await store.membership.list();
  if (end.kind === "unknown") return [end.cause];
  return end.value
    .filter(({ learner }) => !learner)
    .map(({ name }) => name)
    .sort();
}

const checksOn = async (host: string): Promise<readonly string[]> => {
  const status = await lab
    .client(host)
    .cluster.status()
    .catch(() => undefined);
  return status?.checks.map(({ id }) => id) ?? [];
};

beforeAll(async () => {
  lab = await openTestLab(false, "hosts", { hosts: 4 });
  web = await lab.guest("web", 50);
  writer = writeNumbers(lab.world.reach, web.address, "client");
  await writer.goesOn();
  const { identity, id } = lab.cluster;
  store = openEtcdStore({
    endpoints: await lab.cluster.storeEndpoints(),
    tls: identity,
    cluster: id,
    log: () => undefined,
  });
  if (web.owner().host === gone) {
    await lab.client("h1").vm.migrate({ vm: "web", to: "h1" });
    await waitFor("web to be elsewhere", () => (web.owner().host === gone ? undefined : true));
  }
}, 240_000);
afterAll(async () => {
  store?.close();
  await writer?.stop();
  await lab?.close();
}, 60_000);

test("[HM7] a host in maintenance goes down by the order and is removed; its member leaves the store, and the others go on", async () => {
  expect(await lab.holdfast("host", "remove", gone)).toMatchObject({
    code: 1,
    err: expect.stringContaining("host-remove-not-off"),
  });
  expect(lab.host(gone).isOn).toBe(true);
  expect(await voters()).toEqual(["h1", "h2", "h3", "h4"]);
  // Empty and in maintenance, it is shut down by the order itself.
  await lab.client("h1").host.maintenance({ host: gone, reason: "sold" });
  expect(await lab.holdfast("host", "remove", gone)).toMatchObject({
    err: "",
    code: 0,
    out: expect.stringContaining("h4 is removed"),
  });
  await waitFor("h4 to be off", () => (lab.host(gone).isOn ? undefined : true));
  expect(await voters()).toEqual(["h1", "h2", "h3"]);
  await writer.goesOn();
}, 180_000);

test("[HM7] the three that are left fail over as ever", async () => {
  const lost = web.owner().host;
  await lab.fault("power-off", { host: lost });
  await waitFor("web to be elsewhere", () => (web.owner().host === lost ? undefined : true));
  await writer.goesOn();
  await lab.fault("power-on", { host: lost });
  await waitFor("it to be back", () => (lab.history.view.hosts.get(lost)?.value.incarnation ?? 0) > 1 || undefined);
  expect(writer.lost(() => web.disk())).toEqual([]);
}, 180_000);

test("[HM7] switched on again it is turned away, and says why", async () => {
  await lab.fault("power-on", { host: gone });
  await waitFor(
    "h4 to say that it was removed",
    async () => (await checksOn(gone)).includes("answered-by-removed-host") || undefined,
  );
  const { view } = lab.history;
  expect([view.members.has(gone), view.hosts.has(gone)]).toEqual([false, false]);
  expect(await voters()).toEqual(["h1", "h2", "h3"]);
}, 180_000);

test("[HM7, S1] taken back it registers as its second life, and its member votes again", async () => {
  expect(await lab.holdfast("host", "join", gone)).toMatchObject({ code: 0, err: "" });
  await waitFor("h4 to register", () => lab.history.view.hosts.get(gone)?.value.incarnation === 2 || undefined);
  await waitFor(
    "its member to vote",
    () => lab.history.view.members.get(gone)?.value.joinsStore === undefined || undefined,
  );
  expect(await voters()).toEqual(["h1", "h2", "h3", "h4"]);
  await lab.client("h1").vm.migrate({ vm: "web", to: gone });
  await waitFor("web to be there", () => (web.owner().host === gone ? true : undefined));
  await writer.goesOn();
  expect(writer.lost(() => web.disk())).toEqual([]);
  expect(lab.watcher.doubleRuns).toEqual([]);
}, 180_000);
