import { expect, test } from "vitest";
import {
  facts,
  heartbeat,
  held,
  host,
  incarnation,
  member,
  pool,
  Records,
  status,
  vm,
  vmId,
} from "../../../test/support/records.ts";
import type { GroupId, PoolId, VolumeId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { defaultPolicy } from "../../model/policy.ts";
import { applyChanges } from "../../model/view.ts";
import { limits, withoutDeadline } from "../limits.ts";
import type { Present } from "./ahead.ts";
import { measureDurations } from "./durations.ts";
import { foreseeHostLoss, foreseeMaintenance } from "./forecast.ts";
import { foreseeLinkLoss } from "./link.ts";

const store = { by: host("h1"), addresses: ["10.91.0.1", "10.91.0.2", "10.91.0.3"] };

function present(): Present {
  const records = new Records();
  for (const name of ["h1", "h2", "h3"]) {
    const link = (kind: "management" | "availability", net: number) => {
      return { kind, address: `10.${net}.0.${name.slice(1)}`, subnet: `10.${net}.0.0/24` };
    };
    records
      .host(name)
      .put(keys.member(host(name)), member(name, { links: [link("management", 91), link("availability", 92)] }));
    records.put(keys.heartbeat(host(name), incarnation(1)), heartbeat());
  }
  records.put(keys.pool("shared" as PoolId), pool("shared", "replicated")).put(keys.vm(vmId("web")), vm("web"));
  records.put(keys.owner(vmId("web")), held("h1", 1, 4)).put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "running"));
  const heardAgoMs = new Map(["h1", "h2", "h3"].map((name) => [host(name), 100]));
  return { view: records.view, wall: 0 as WallMs, heardAgoMs, durations: measureDurations([]) };
}

test("[FC1] the link that carries the store: all stand still, nobody is fenced; one host's: that host is lost", () => {
  for (const link of ["management", "10.91.0.0/24"])
    expect(foreseeLinkLoss(present(), link, store)).toMatchObject({
      course: [{ code: "forecast-all-stand-still" }],
      vms: [{ vm: vmId("web"), becomes: "stands-still", to: "h1" }],
    });
  expect(foreseeLinkLoss(present(), "h1:management", store)).toMatchObject({
    course: [{ code: "forecast-host-fenced" }],
    vms: [{ becomes: "restarts", to: "h2" }],
  });
});

test("[FC1, S2] one host's connection to the store, and no majority is left: nobody is lost, and whoever runs goes on after the cut", () => {
  const third = { ...present(), heardAgoMs: new Map(["h1", "h2"].map((name) => [host(name), 100])) };
  const removed = present();
  const change = { kind: "delete" as const, key: keys.member(host("h3")), revision: removed.view.revision };
  applyChanges(removed.view, [change], removed.view.revision);
  const put = (now: Present, name: string, on: string) => {
    const records = [
      [keys.vm(vmId(name)), vm(name)],
      [keys.owner(vmId(name)), held(on, 1, 2)],
      [keys.vmStatus(vmId(name)), status(on, 1, 2, "running")],
    ] as const;
    for (const [key, record] of records) {
      const one = { kind: "put" as const, key, text: JSON.stringify(record), revision: now.view.revision };
      applyChanges(now.view, [one], now.view.revision);
    }
  };
  for (const [now, votes] of [
    [third, 3],
    [removed, 2],
  ] as const) {
    put(now, "mail", "h2");
    for (const cut of ["h1:management", "h2:10.91.0.0/24"])
      expect(foreseeLinkLoss(now, cut, store), cut).toMatchObject({
        course: [{ code: "store-loses-majority", params: { left: 1, votes } }, { code: "forecast-all-stand-still" }],
        vms: [
          { vm: vmId("mail"), becomes: "stands-still", from: "h2", to: "h2", loses: null },
          { vm: vmId("web"), becomes: "stands-still", from: "h1", to: "h1", loses: null },
        ],
      });
    // Its power is another matter: what it has in memory is gone.
    expect(foreseeHostLoss(now, host("h1"))).toMatchObject({
      vms: [{ becomes: "stands-still" }, { becomes: "waits", loses: { code: "loses-its-memory-and-waits" } }],
    });
  }
});

test("[FC1, S11] one host's connection to the store, and its VM would start nowhere else: it loses nothing, and goes on after the cut", () => {
  const small = (now: Present, ...names: readonly string[]): Present => {
    for (const name of names) {
      const text = JSON.stringify(facts({ memoryForVmsMiB: 10 }));
      const change = { kind: "put" as const, key: keys.hostFacts(host(name)), text, revision: now.view.revision };
      applyChanges(now.view, [change], now.view.revision);
    }
    return now;
  };
  const cut = (now: Present) => foreseeLinkLoss(now, "h1:management", store);
  const still = { vm: vmId("web"), becomes: "stands-still", to: "h1", loses: null, fix: { code: "fix-more-memory" } };
  expect(cut(small(present(), "h2", "h3"))).toMatchObject({
    course: [{ code: "forecast-host-not-fenced" }],
    vms: [still],
  });
  // The host is fenced for another VM, and claims this one back: nobody cuts its power.
  const now = small(present(), "h3");
  const half = facts({ memoryForVmsMiB: 100 });
  const records = [
    [keys.hostFacts(host("h2")), half],
    [keys.vm(vmId("also")), vm("also")],
    [keys.owner(vmId("also")), held("h1", 1, 2)],
    [keys.vmStatus(vmId("also")), status("h1", 1, 2, "running")],
  ] as const;
  for (const [key, record] of records) {
    const one = { kind: "put" as const, key, text: JSON.stringify(record), revision: now.view.revision };
    applyChanges(now.view, [one], now.view.revision);
  }
  expect(cut(now)).toMatchObject({
    course: [{ code: "forecast-host-fenced" }],
    vms: [{ vm: vmId("also"), becomes: "restarts", to: "h2" }, still],
  });
  expect(foreseeHostLoss(now, host("h1"))).toMatchObject({
    vms: [{ becomes: "restarts" }, { becomes: "waits", loses: { code: "loses-its-memory-and-waits" } }],
  });
  // With its disks in a shared pool its power has to be cut before anybody takes them.
  const shared = JSON.stringify(pool("shared", "shared-dir"));
  const device = JSON.stringify({ schema: 1, agent: "fake", options: {} });
  for (const [key, text] of [
    [keys.pool("shared" as PoolId), shared],
    [keys.fenceDevice(host("h1")), device],
  ] as const)
    applyChanges(now.view, [{ kind: "put", key, text, revision: now.view.revision }], now.view.revision);
  expect(cut(now)).toMatchObject({
    vms: [{ becomes: "restarts" }, { becomes: "waits", loses: { code: "loses-its-memory-and-waits" } }],
  });
});

test("[FC1] a maintenance that nobody is there to carry out: all stand still, and nothing else is foreseen", () => {
  const deaf = { ...present(), heardAgoMs: new Map(["h1", "h2", "h3"].map((name) => [host(name), 20_000])) };
  const forecast = foreseeMaintenance(deaf, host("h1"), () => {});
  expect(forecast).toMatchObject({
    course: [{ code: "forecast-all-stand-still" }],
    vms: [{ becomes: "stands-still" }],
  });
});

test("[FC1] any other link: nothing", () => {
  for (const link of ["availability", "h1:10.92.0.0/24"])
    expect(foreseeLinkLoss(present(), link, store)).toMatchObject({
      course: [{ code: "forecast-link-carries-no-store" }],
      vms: [],
    });
  expect(foreseeLinkLoss(present(), "moon", store)).toMatchObject({ code: "whatif-link-unknown" });
});

test("[S15] the last link over which guests move: between which hosts none can any more; with another one left nothing is said", () => {
  const codes = (now: Present, link: string) => {
    const found = foreseeLinkLoss(now, link, store);
    return "kind" in found ? found : found.course.map(({ code, params }) => [code, params["between"]]);
  };
  const nothing = ["forecast-link-carries-no-store", undefined];
  expect(codes(present(), "availability")).toEqual([nothing]);
  const only = (links: readonly string[]): Present => {
    const now = present();
    const migration = { ...defaultPolicy.migration, links };
    const change = { kind: "put" as const, key: keys.policy, text: JSON.stringify({ ...defaultPolicy, migration }) };
    applyChanges(now.view, [{ ...change, revision: now.view.revision }], now.view.revision);
    return now;
  };
  const named = only(["availability"]);
  expect(codes(named, "availability")).toEqual([
    nothing,
    ["forecast-no-link-for-moves", "h1 and h2, h1 and h3, h2 and h3"],
  ]);
  expect(codes(named, "h2:10.92.0.0/24")).toEqual([nothing, ["forecast-no-link-for-moves", "h1 and h2, h2 and h3"]]);
});

test("[S17] a link that carries the writes of a group: they go over the next one, or the copies are left behind", () => {
  const now = present();
  const mode = { kind: "synchronous", boundMs: 2_000 };
  const group = { schema: 1, name: "office", vms: [vmId("web")], source: "h1", target: "h2", mode, paused: [] };
  const put = (key: Parameters<typeof keys.group>[0], record: object) => {
    const change = { kind: "put" as const, key: keys.group(key), text: JSON.stringify(record) };
    applyChanges(now.view, [{ ...change, revision: now.view.revision }], now.view.revision);
  };
  put("office" as GroupId, group);
  const told = () => {
    const found = foreseeLinkLoss(now, "availability", store);
    return "kind" in found ? found : found.course.slice(1).map(({ code, params }) => [code, params["next"]]);
  };
  expect(told()).toEqual([["forecast-copies-other-link", "10.91.0.0/24"]]);
  for (const name of ["h1", "h2"]) {
    const known = now.view.members.get(host(name))?.value;
    const links = known?.links.filter(({ kind }) => name === "h2" || kind === "availability");
    const change = { kind: "put" as const, key: keys.member(host(name)), text: JSON.stringify({ ...known, links }) };
    applyChanges(now.view, [{ ...change, revision: now.view.revision }], now.view.revision);
  }
  expect(told()).toEqual([
    ["forecast-no-link-for-moves", undefined],
    ["forecast-copies-left-behind", undefined],
  ]);
});

/** h1 and h2 have one link between them, which carries the writes of `office`. */
function paired(mode: object, more: { readonly byHost?: true; readonly heldBy?: string } = {}): Present {
  const { byHost, heldBy = "h1" } = more;
  const records = new Records();
  for (const name of ["h1", "h2", "h3"]) {
    const address = (net: number) => ({ address: `10.${net}.0.${name.slice(1)}`, subnet: `10.${net}.0.0/24` });
    const links = name === "h3" ? [] : [{ kind: "availability" as const, ...address(92) }];
    const all = [{ kind: "management" as const, ...address(91) }, ...links];
    records.host(name).put(keys.member(host(name)), member(name, { links: all }));
    records.put(keys.heartbeat(host(name), incarnation(1)), heartbeat(byHost === true ? withoutDeadline : {}));
  }
  const known = vm("web");
  const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
  const there = host(heldBy === "h1" ? "h2" : "h1");
  const state = { kind: "in-sync", ...(byHost === undefined ? {} : { byHost }) };
  records
    .put(keys.pool("local" as PoolId), pool("local", "local-dir"))
    .put(keys.vm(vmId("web")), { ...known, spec: { ...known.spec, disks: [disk] } })
    .put(keys.owner(vmId("web")), held(heldBy, 1, 4))
    .put(keys.vmStatus(vmId("web")), status(heldBy, 1, 4, "running"))
    .put(keys.replica(vmId("web"), disk.volume, there), {
      ...{ schema: 1, vm: "vm:web", volume: disk.volume, host: there, epoch: 4, receiver: null, state },
    })
    .put(keys.group("office" as GroupId), {
      ...{ schema: 1, name: "office", vms: [vmId("web")], source: "h1", target: "h2", mode, paused: [], createdAt: 0 },
    });
  const heardAgoMs = new Map(["h1", "h2", "h3"].map((name) => [host(name), 100]));
  return { view: records.view, wall: 0 as WallMs, heardAgoMs, durations: measureDurations([]) };
}

const eachWrite = { kind: "synchronous", boundMs: 3_000 };
const copiesTold = (now: Present, link: string) => {
  const found = foreseeLinkLoss(now, link, store);
  if ("kind" in found) return found;
  return found.course
    .filter(({ code }) => /copies|cycles|writes/u.test(code))
    .map(({ code, params }) => [code, params["from"], params["boundS"] ?? params["silentS"] ?? params["lossS"]]);
};

test("[S16, S25] a link that carries writes: how long one waits, and from when on what is written is at risk, with the group's own figures", () => {
  expect(copiesTold(paired(eachWrite), "availability")).toEqual([
    ["forecast-copies-other-link", "h1", limits.replicaSilentMs / 1_000],
  ]);
  const alone = (mode: object, heldBy = "h1") => {
    const now = paired(mode, { heldBy });
    const known = now.view.members.get(host("h2"))?.value;
    const links = known?.links.filter(({ kind }) => kind === "availability");
    const change = { kind: "put" as const, key: keys.member(host("h2")), text: JSON.stringify({ ...known, links }) };
    applyChanges(now.view, [{ ...change, revision: now.view.revision }], now.view.revision);
    return copiesTold(now, "availability");
  };
  expect(alone(eachWrite)).toEqual([["forecast-copies-left-behind", "h1", 3]]);
  expect(alone(eachWrite, "h2"), "after a failover it goes the other way").toEqual([
    ["forecast-copies-left-behind", "h2", 3],
  ]);
  const cycles = { kind: "asynchronous", everyS: 5, lossS: null };
  expect(alone(cycles)).toEqual([["forecast-cycles-fall-behind", "h1", undefined]]);
  expect(alone({ ...cycles, lossS: 60 })).toEqual([["forecast-cycles-fall-behind-to", "h1", 60]]);
});

test("[S16, S23] the store's own link is the one of the writes, too: they wait; of two hosts they go on by a note, and nothing stands still", () => {
  const only = (now: Present): Present => {
    for (const name of ["h1", "h2"]) {
      const known = now.view.members.get(host(name))?.value;
      const links = known?.links.filter(({ kind }) => kind === "management");
      const change = { kind: "put" as const, key: keys.member(host(name)), text: JSON.stringify({ ...known, links }) };
      applyChanges(now.view, [{ ...change, revision: now.view.revision }], now.view.revision);
    }
    return now;
  };
  expect(copiesTold(only(paired(eachWrite)), "management")).toEqual([["forecast-writes-wait", "h1", undefined]]);
  const two = only(paired(eachWrite, { byHost: true }));
  expect(copiesTold(two, "management")).toEqual([["forecast-copies-left-by-note", "h1", 3]]);
  expect(foreseeLinkLoss(two, "management", store)).toMatchObject({
    course: [{ code: "forecast-nobody-decides" }, { code: "forecast-copies-left-by-note" }],
    vms: [],
  });
  const gone = { kind: "delete" as const, key: keys.member(host("h3")), revision: two.view.revision };
  applyChanges(two.view, [gone], two.view.revision);
  expect(foreseeLinkLoss(two, "h2:management", store), "from either end").toMatchObject({
    course: [
      { code: "store-loses-majority" },
      { code: "forecast-nobody-decides" },
      { code: "forecast-copies-left-by-note", params: { from: "h1", host: "h2" } },
    ],
    vms: [],
  });
});
