import { describe, expect, test } from "vitest";
import { fence, held, host, incarnation, vm, vmId } from "../../test/support/records.ts";
import { StoredRecords } from "../../test/support/stored-records.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import { giveBackTransaction, isBetweenHosts, leftTransaction, switchoverTransaction } from "./migration.ts";

const web = vmId("web");
const source = { host: host("h1"), incarnation: incarnation(3) };
const target = { host: host("h2"), incarnation: incarnation(7) };
const broken = { kind: "refused", code: "move-incomplete", params: { vm: web, state: "late" } } as const;
const at = 9 as VmMove["at"];
const waiting: VmMove["live"] = {
  kind: "waiting",
  incarnation: target.incarnation,
  doors: [{ address: "10.0.1.2", port: 49_152 }],
  tls: true,
};
const move = (more: Partial<VmMove> = {}): VmMove => ({
  schema: 1,
  vm: web,
  kind: "migrate",
  from: source.host,
  incarnation: source.incarnation,
  epoch: 4 as VmMove["epoch"],
  to: target.host,
  reason: { rule: "HM1", code: "asked", params: {} },
  answer: { kind: "open" },
  live: waiting,
  at: 0 as VmMove["at"],
  ...more,
});

const lock = { kind: "backup", at: 0 as VmMove["at"] } as const;

class Cluster extends StoredRecords {
  constructor() {
    super();
    for (const { host: id, incarnation: n } of [source, target]) this.register(id, n);
    this.put(keys.vm(web), vm("web")).put(keys.owner(web), held("h1", 3, 4, ["h3"]));
  }
}

const waits = () => new Cluster().put(keys.vmMove(web), move());
const switched = () => {
  const cluster = waits();
  cluster.commit(switchoverTransaction(cluster.view, web, source, at));
  return cluster;
};

/** What may come in between; each alone makes the hand-over void. */
const between: readonly (readonly [string, (cluster: Cluster) => unknown])[] = [
  ["the source is fenced", (cluster) => cluster.put(keys.fence(source.host, source.incarnation), fence())],
  ["the target is fenced", (cluster) => cluster.put(keys.fence(target.host, target.incarnation), fence())],
  ["the source starts anew", (cluster) => cluster.register(source.host, 4)],
  ["the target starts anew", (cluster) => cluster.register(target.host, 8)],
  ["another became the owner", (cluster) => cluster.put(keys.owner(web), held("h3", 1, 9))],
  ["the VM was started again", (cluster) => cluster.put(keys.owner(web), held("h1", 3, 5))],
  [
    "the move was cancelled",
    (cluster) => cluster.put(keys.vmMove(web), move({ answer: { kind: "failed", code: "x", params: {} } })),
  ],
  ["somebody locked the VM", (cluster) => cluster.put(keys.vm(web), vm("web", { lock }))],
  ["somebody stopped the VM", (cluster) => cluster.put(keys.vm(web), vm("web", { requested: "stopped" }))],
  ["another move was begun", (cluster) => cluster.put(keys.vmMove(web), move({ at: 1 as VmMove["at"] }))],
];

describe("the hand-over", () => {
  test("[S15] one transaction makes the target the owner, in the next epoch, and says so in the move", () => {
    const cluster = waits();
    expect(isBetweenHosts(cluster.view, web)).toBe(false);
    expect(cluster.commit(switchoverTransaction(cluster.view, web, source, at))).toBe(true);
    expect(cluster.view.owners.get(web)?.value).toEqual(held("h2", 7, 5, ["h3"]));
    expect(cluster.view.moves.get(web)?.value).toEqual(
      move({ live: { kind: "switched", incarnation: target.incarnation } }),
    );
    expect(isBetweenHosts(cluster.view, web)).toBe(true);
  });

  test("[S15] a second attempt, as after an unknown outcome, changes nothing", () => {
    const cluster = waits();
    const made = switchoverTransaction(cluster.view, web, source, at);
    expect([cluster.commit(made), cluster.commit(made)]).toEqual([true, false]);
    expect(switchoverTransaction(cluster.view, web, source, at)).toMatchObject({
      kind: "refused",
      code: "move-overtaken",
    });
    expect(cluster.view.owners.get(web)?.value).toEqual(held("h2", 7, 5, ["h3"]));
  });

  test.each(between)("[S15] void where in between %s", (_, meddle) => {
    const cluster = waits();
    const made = switchoverTransaction(cluster.view, web, source, at);
    meddle(cluster);
    const before = cluster.view.owners.get(web);
    expect(cluster.commit(made)).toBe(false);
    expect(cluster.view.owners.get(web)).toEqual(before);
  });

  test.each(between.slice(0, -2))("[S15] not asked for where it is seen that %s", (_, meddle) => {
    const cluster = waits();
    meddle(cluster);
    expect(switchoverTransaction(cluster.view, web, source, at).kind).toBe("refused");
  });

  test("[S15] only by the holder, and only to a target that waits", () => {
    const cluster = new Cluster();
    expect(switchoverTransaction(cluster.view, web, source, at).kind).toBe("refused");
    const { live: _, ...bare } = move();
    cluster.put(keys.vmMove(web), bare);
    expect(switchoverTransaction(cluster.view, web, source, at).kind).toBe("refused");
    cluster.put(keys.vmMove(web), move());
    expect(switchoverTransaction(cluster.view, web, target, at).kind).toBe("refused");
    expect(switchoverTransaction(cluster.view, web, { ...source, incarnation: incarnation(2) }, at).kind).toBe(
      "refused",
    );
    expect(switchoverTransaction(cluster.view, web, source, at).kind).toBe("commit");
  });
});

describe("after the hand-over", () => {
  test("[S15] a target that never ran gives back, in an epoch of its own; the move has failed with why", () => {
    const cluster = switched();
    expect(cluster.commit(giveBackTransaction(cluster.view, web, target, broken))).toBe(true);
    expect(cluster.view.owners.get(web)?.value).toEqual(held("h1", 3, 6, ["h3"]));
    const { live, answer } = cluster.view.moves.get(web)?.value ?? move();
    expect([live, answer]).toEqual([undefined, { kind: "failed", code: broken.code, params: broken.params }]);
    expect(isBetweenHosts(cluster.view, web)).toBe(false);
  });

  test.each(between.slice(0, 5))("[S15] not to be given back where in between %s", (_, meddle) => {
    const cluster = switched();
    const made = giveBackTransaction(cluster.view, web, target, broken);
    meddle(cluster);
    expect(cluster.commit(made)).toBe(false);
    expect(giveBackTransaction(cluster.view, web, target, broken).kind).toBe("refused");
  });

  test("[S15] nobody else gives back, nor before the hand-over, nor after a start of the target's own", () => {
    expect(giveBackTransaction(waits().view, web, target, broken).kind).toBe("refused");
    const cluster = switched();
    expect(giveBackTransaction(cluster.view, web, source, broken).kind).toBe("refused");
    cluster.put(keys.owner(web), held("h2", 7, 6));
    expect(giveBackTransaction(cluster.view, web, target, broken).kind).toBe("refused");
  });

  test("[S15] the source's removal of the move says that it has quit, and a void one says nothing", () => {
    expect(leftTransaction(waits().view, web, source.host).kind).toBe("refused");
    const cluster = switched();
    expect(leftTransaction(cluster.view, web, target.host).kind).toBe("refused");
    const made = leftTransaction(cluster.view, web, source.host);
    const back = giveBackTransaction(cluster.view, web, target, broken);
    expect([cluster.commit(made), cluster.commit(back)]).toEqual([true, false]);
    expect(isBetweenHosts(cluster.view, web)).toBe(false);
  });
});
