import { afterEach, expect, test } from "vitest";
import { type Client, connectClient } from "../../src/api/client/index.ts";
import { planTakeover } from "../../src/core/takeover-plan.ts";
import type { StoreKey, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { FenceDevice } from "../../src/model/records.ts";
import type { TakeoverPlan } from "../../src/model/takeover-plan.ts";
import { fenceOf } from "../../src/model/view.ts";
import type { PowerOffEnd } from "../../src/ports/fencing.ts";
import type { Store } from "../../src/ports/store.ts";
import type { MemoryStore } from "../../src/sim/memory-store.ts";
import { type ApiHost, failure, startApiHost, until } from "../support/api-host.ts";
import { heartbeat, held, host, incarnation, member, vm, vmId } from "../support/records.ts";

const fails = { kind: "failed", cause: "read-only file system" } as const;

/** What a host's means are asked for, and what they answer. */
function untouched() {
  const peers = { answering: [] as string[], answersLater: [] as string[], asked: 0 };
  return {
    forced: 0,
    cut: 0,
    ...peers,
    serves: true,
    isUnfinished: false,
    isOfThisBoot: true,
    plan: undefined as TakeoverPlan | undefined,
    /** The disk of the state folder. */
    takesNothing: false,
    /** While the links are asked. */
    meanwhile: async () => {},
  };
}

/** One host's API, whose store decides nothing until it is forced. */
async function openHost(power: PowerOffEnd = { kind: "off" }) {
  const seen = untouched();
  let memory: MemoryStore | undefined;
  const all = (done: Parameters<Store["snapshot"]>[1]) => memory?.snapshot("/" as StoreKey, done);
  const api = await startApiHost({
    wrap: (store) => {
      memory = store;
      const snapshot: Store["snapshot"] = (prefix, done) =>
        seen.serves ? store.snapshot(prefix, done) : done({ kind: "unknown", cause: "no leader" });
      const { commit, watch } = bound(store);
      return { snapshot, commit, watch };
    },
    takeover: {
      waitMs: 0,
      force: {
        answering: (addresses, done) => {
          seen.asked += 1;
          const now = seen.asked > 1 ? [...seen.answering, ...seen.answersLater] : seen.answering;
          void seen.meanwhile().then(() => done(addresses.filter((one) => now.includes(one))));
        },
        peek: all,
        force: (plan, done) => {
          seen.plan = plan;
          seen.forced += 1;
          seen.serves = true;
          seen.isUnfinished = true;
          done({ kind: "done" });
        },
        note: (plan) => {
          if (seen.takesNothing) return fails;
          Object.assign(seen, { plan, isUnfinished: true, isOfThisBoot: true });
          return { kind: "done" };
        },
        forgetOrder: () => {},
        isUnfinished: () => seen.isUnfinished,
        plan: () => (seen.isUnfinished ? seen.plan : undefined),
        settle: (done) => done("unknown"),
        isOfThisBoot: () => seen.isUnfinished && seen.isOfThisBoot,
        finished: () => {
          if (seen.takesNothing) return fails;
          seen.isUnfinished = false;
          return { kind: "done" };
        },
      },
      fencing: {
        powerOff: (_device: FenceDevice, done) => {
          seen.cut += 1;
          done(power);
        },
        status: (_device, done) => done({ kind: "unknown", cause: "not asked" }),
      },
    },
  });
  opened = api;
  const links = [{ kind: "management", address: "10.0.0.2", subnet: "10.0.0.0/24" }];
  await api.put(keys.member(host("h2")), { ...member("h2"), links });
  await api.put(keys.vm(vmId("web")), vm("web"));
  await api.put(keys.owner(vmId("web")), held("h2", 1, 4));
  seen.serves = false;
  return { api, seen, client: connectClient(api.socket) };
}

function bound(store: Store): Store {
  return {
    snapshot: (...args) => store.snapshot(...args),
    commit: (...args) => store.commit(...args),
    watch: (...args) => store.watch(...args),
  };
}

let opened: ApiHost | undefined;
afterEach(() => opened?.close());

const peerIsOff = (client: Client, more: object = {}) =>
  failure(client.cluster.takeover({ claim: "peer-is-off", ...more }));
const refused = (code: string) => expect.objectContaining({ kind: "refused", code });
const device = { schema: 1, agent: "fence_x", options: {} };

test("[S23] no takeover while the store serves, and none while the other one answers on any link", async () => {
  const { client, seen } = await openHost();
  seen.serves = true;
  expect(await peerIsOff(client)).toEqual(refused("takeover-not-needed"));
  seen.serves = false;
  seen.answering = ["10.0.0.2"];
  expect(await peerIsOff(client, { word: "h2-off" })).toEqual(refused("takeover-peer-answers"));
  expect(seen).toMatchObject({ forced: 0, cut: 0 });
});

test("[S23] without a device it takes the very word, and then the lost host is fenced by it", async () => {
  const { api, client, seen } = await openHost();
  expect(await peerIsOff(client)).toEqual(refused("takeover-word-missing"));
  expect(await peerIsOff(client, { word: "h1-off" })).toEqual(refused("takeover-word-missing"));
  expect(seen.forced).toBe(0);
  const shown = await peerIsOff(client, { dryRun: true });
  expect(shown).toMatchObject({ done: false, lost: [{ name: "h2", proof: null }], vms: [{ name: "web" }] });
  expect(seen.forced).toBe(0);
  expect(await peerIsOff(client, { word: "h2-off" })).toMatchObject({ done: true, lost: [{ proof: "word" }] });
  expect(seen).toMatchObject({ forced: 1, isUnfinished: false });
  const proofs = () => fenceOf(api.view(), host("h2"), incarnation(1))?.value.proofs;
  await until(() => proofs()?.includes("word") === true, "the fence");
  await until(() => api.view().owners.get(vmId("web"))?.value.epoch === 104, "the leap");
});

test("[S23] one that was not written to its end is finished by asking again, and then there is nothing left to do", async () => {
  const { api, client, seen } = await openHost();
  seen.serves = true;
  const cluster = api.view().cluster?.value;
  await api.put(keys.cluster, { ...cluster, forced: { by: "h1", without: ["h2"], at: 1 } });
  expect(await peerIsOff(client)).toEqual(refused("takeover-word-missing"));
  seen.answering = ["10.0.0.2"];
  expect(await peerIsOff(client, { word: "h2-off" })).toEqual(refused("takeover-peer-answers"));
  seen.answering = [];
  expect(await peerIsOff(client, { word: "h2-off" })).toMatchObject({ done: true, lost: [{ proof: "word" }] });
  expect(seen.forced).toBe(0);
  await until(() => fenceOf(api.view(), host("h2"), incarnation(1)) !== undefined, "the fence");
  expect(await peerIsOff(client, { word: "h2-off" })).toEqual(refused("takeover-not-needed"));
});

test("[S24] one of which nothing was written after the store was forced is finished by asking again", async () => {
  const { api, client, seen } = await openHost();
  Object.assign(seen, { serves: true, isUnfinished: true });
  seen.answering = ["10.0.0.2"];
  expect(await peerIsOff(client, { word: "h2-off" })).toEqual(refused("takeover-peer-answers"));
  seen.answering = [];
  expect(await peerIsOff(client)).toEqual(refused("takeover-word-missing"));
  expect(await peerIsOff(client, { word: "h2-off" })).toMatchObject({ done: true, lost: [{ name: "h2" }] });
  expect(seen).toMatchObject({ forced: 0, isUnfinished: false });
  await until(() => api.view().owners.get(vmId("web"))?.value.epoch === 104, "the leap");
  await until(() => api.view().cluster?.value.forced?.open === undefined, "its end");
  expect(await peerIsOff(client, { word: "h2-off" })).toEqual(refused("takeover-not-needed"));
});

test("[S24] what a daemon left half written the next one of the same boot finishes, without an order and with the other one up", async () => {
  const { api, client, seen } = await openHost();
  expect(await peerIsOff(client, { word: "h2-off" })).toMatchObject({ done: true });
  expect(seen.plan).toMatchObject({ lost: [{ host: "h2", proof: "word", incarnation: 1 }] });
  // As a daemon leaves it that dies after its first write; and the lost host has booted.
  await until(() => api.view().cluster?.value.forced !== undefined, "the record");
  const { forced, ...cluster } = api.view().cluster?.value ?? {};
  await api.put(keys.cluster, { ...cluster, forced: { ...forced, open: true } });
  await api.put(keys.owner(vmId("web")), held("h2", 1, 4));
  const registration = api.view().hosts.get(host("h2"))?.value;
  await api.put(keys.host(host("h2")), { ...registration, incarnation: 2 });
  Object.assign(seen, { isUnfinished: true, isOfThisBoot: false, answering: ["10.0.0.2"] });
  expect(await api.api.finishTakeover()).toBeUndefined();
  expect(seen.isUnfinished).toBe(true);
  seen.isOfThisBoot = true;
  expect(await api.api.finishTakeover()).toMatchObject({ kind: "ok", value: { done: true } });
  expect(seen).toMatchObject({ forced: 1, isUnfinished: false });
  await until(() => api.view().owners.get(vmId("web"))?.value.epoch === 104, "the leap");
  await until(() => api.view().cluster?.value.forced?.open === undefined, "its end");
  expect(fenceOf(api.view(), host("h2"), incarnation(2))).toBeUndefined();
  expect(await api.api.finishTakeover()).toBeUndefined();
});

test("[S9] who is heard while the links are asked is not off: the rest is not written, and who keeps it is told", async () => {
  const { api, client, seen } = await openHost();
  const beat = () => api.put(keys.heartbeat(host("h2"), incarnation(1)), heartbeat());
  await beat();
  seen.meanwhile = async () => (seen.asked === 2 ? beat() : undefined);
  const heard = { code: "takeover-heard-since", params: { host: "h2" } };
  // The store was forced by then; of what has to follow nothing is written.
  expect(await peerIsOff(client, { word: "h2-off" })).toMatchObject(heard);
  expect(seen).toMatchObject({ forced: 1, isUnfinished: true });
  expect(await api.api.finishTakeover()).toMatchObject(heard);
  // Seen to be off by then, and said so anew; that daemon dies, and while the next one asks the links it is heard once more.
  seen.plan = planTakeover(api.view(), { lost: new Map([[host("h2"), "word"]]), at: 1 as WallMs, byItself: false });
  seen.meanwhile = beat;
  expect(await api.api.finishTakeover()).toMatchObject(heard);
  expect(fenceOf(api.view(), host("h2"), incarnation(1))).toBeUndefined();
  expect(api.view().owners.get(vmId("web"))?.value.epoch).toBe(4);
});

test("[S24] one that is ordered anew, and whose daemon dies too, is finished by the later order", async () => {
  const { api, client, seen } = await openHost();
  // Forced, and nothing written; by a word that was not so, for its life was heard since.
  const early = planTakeover(api.view(), { lost: new Map([[host("h2"), "word"]]), at: 1 as WallMs, byItself: false });
  await api.put(keys.heartbeat(host("h2"), incarnation(1)), heartbeat());
  Object.assign(seen, { serves: true, isUnfinished: true, isOfThisBoot: false, plan: early });
  seen.takesNothing = true;
  const disk = { cause: "read-only file system" };
  expect(await peerIsOff(client, { word: "h2-off" })).toMatchObject({ code: "takeover-not-noted", params: disk });
  expect(api.view().cluster?.value.forced).toBeUndefined();
  seen.takesNothing = false;
  expect(await peerIsOff(client, { word: "h2-off" })).toMatchObject({ done: true });
  expect(seen.plan?.at).toBeGreaterThan(1);
  await until(() => api.view().cluster?.value.forced !== undefined, "the record");
  const { forced, ...cluster } = api.view().cluster?.value ?? {};
  // As if it had died before its end, and where only the mark is left.
  await api.put(keys.cluster, { ...cluster, forced: { ...forced, open: true } });
  seen.isUnfinished = true;
  expect(await api.api.finishTakeover()).toMatchObject({ kind: "ok" });
  await until(() => api.view().cluster?.value.forced?.open === undefined, "its end");
  Object.assign(seen, { isUnfinished: true, takesNothing: true });
  expect(await api.api.finishTakeover()).toMatchObject({ code: "takeover-mark-stays", params: disk });
  seen.takesNothing = false;
  expect(await api.api.finishTakeover()).toBeUndefined();
  expect(seen).toMatchObject({ forced: 0, isUnfinished: false });
});

test("[S23] who comes back while the word is waited for is not off: nothing is forced", async () => {
  const { client, seen } = await openHost();
  seen.answersLater = ["10.0.0.2"];
  expect(await peerIsOff(client, { word: "h2-off" })).toEqual(refused("takeover-peer-answers"));
  expect(seen.forced).toBe(0);
});

test("[S23] a device that confirms needs no word", async () => {
  const { api, client, seen } = await openHost();
  await api.put(keys.fenceDevice(host("h2")), device);
  expect(await peerIsOff(client)).toMatchObject({ done: true, lost: [{ name: "h2", proof: "power-off" }] });
  expect(seen.cut).toBe(1);
});

test("[S23] a device that does not confirm proves nothing", async () => {
  const { api, client, seen } = await openHost({ kind: "unknown", cause: "the power is still on" });
  await api.put(keys.fenceDevice(host("h2")), device);
  expect(await peerIsOff(client)).toEqual(refused("takeover-word-missing"));
  expect(seen).toMatchObject({ forced: 0, cut: 1 });
});

test("[S24] the claim about two is refused in a larger cluster; the other one names all", async () => {
  const { api, client } = await openHost();
  const links = [{ kind: "management", address: "10.0.0.3", subnet: "10.0.0.0/24" }];
  await api.put(keys.member(host("h3")), { ...member("h3"), links });
  expect(await peerIsOff(client)).toEqual(refused("takeover-not-two"));
  const all = failure(client.cluster.takeover({ claim: "others-are-off" }));
  expect(await all).toMatchObject({ code: "takeover-word-missing", params: { word: "h2-and-h3-off" } });
});
