import { describe, expect, test } from "vitest";
import { fence, held, host, incarnation, pool, vm, vmId } from "../../test/support/records.ts";
import { ReplicaCluster } from "../../test/support/replicas.ts";
import { StoredRecords } from "../../test/support/stored-records.ts";
import { must } from "../base/assert.ts";
import type { PoolId, VolumeId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import { refuse } from "../model/reason.ts";
import type { Replica, ReplicaState } from "../model/replication-records.ts";
import type { Transaction } from "../model/transaction.ts";
import {
  arrivingTransaction,
  confirmCopies,
  deleteCopies,
  giveUpCopies,
  giveUpImage,
  hasOldImages,
  imageGone,
  isArriving,
  keptCopies,
  oldImages,
} from "./local-copies.ts";
import { giveBackTransaction, switchoverTransaction } from "./migration.ts";
import { changePlaceTransaction } from "./ownership.ts";
import { transaction, unchanged } from "./transactions.ts";
import { liesOn, localNeeds } from "./volume-place.ts";

const web = vmId("web");
const at = 9 as VmMove["at"];
const source = { host: host("h1"), incarnation: incarnation(3) };
const target = { host: host("h2"), incarnation: incarnation(7) };
const volumes = ["web-0", "web-1"] as VolumeId[];
const kept: ReplicaState = { kind: "stale", cause: "moved", whole: true, at };
const nobody = () => false;
const asked: VmMove = {
  schema: 1,
  vm: web,
  kind: "migrate",
  from: source.host,
  incarnation: source.incarnation,
  epoch: 4 as VmMove["epoch"],
  to: target.host,
  reason: { rule: "HM1", code: "asked", params: {} },
  answer: { kind: "open" },
  live: { kind: "asked" },
  at: 0 as VmMove["at"],
};
const waiting: VmMove = { ...asked, live: { kind: "waiting", incarnation: target.incarnation, doors: [], tls: true } };

/** A VM on h1 with two disks in a local pool, and one that everybody sees. */
class Cluster extends StoredRecords {
  constructor() {
    super();
    for (const { host: id, incarnation: n } of [source, target]) this.register(id, n);
    const disks = [...volumes, "web-2" as VolumeId].map((volume, i) => {
      return { volume, pool: (i < 2 ? "fast" : "shared") as PoolId, sizeMiB: 10 * (i + 1), format: "raw" as const };
    });
    const base = vm("web");
    this.put(keys.pool("fast" as PoolId), pool("fast", "local-dir"));
    this.put(keys.pool("shared" as PoolId), pool("shared", "shared-dir"));
    this.put(keys.vm(web), { ...base, spec: { ...base.spec, disks } });
    this.put(keys.owner(web), held("h1", 3, 4)).put(keys.vmMove(web), asked);
  }

  move() {
    return must(this.view.moves.get(web), "no move");
  }

  states(of: "h1" | "h2"): (ReplicaState["kind"] | undefined)[] {
    return volumes.map((volume) => this.view.replicas.get(keys.replica(web, volume, host(of)))?.value.state.kind);
  }

  registration(of: typeof source) {
    return must(this.view.hosts.get(of.host), "not registered");
  }

  write(one: Transaction): boolean {
    return this.commit({ kind: "commit", transaction: one });
  }

  arrive() {
    return this.commit(arrivingTransaction(this.view, this.move(), this.registration(target)));
  }
}

const arrived = () => {
  const cluster = new Cluster();
  cluster.arrive();
  return cluster.put(keys.vmMove(web), waiting);
};
const switched = () => {
  const cluster = arrived();
  cluster.commit(switchoverTransaction(cluster.view, web, source, at));
  return cluster;
};

test("a local volume lies where the owner record says; what it needs elsewhere is counted by pool", () => {
  const { view } = new Cluster();
  const known = must(view.vms.get(web), "no VM").value;
  expect(liesOn(view, known)).toBe("h1");
  expect([...localNeeds(view, known)]).toEqual([["fast", 30]]);
});

test("[S15] by a record alone such a VM changes its place never", () => {
  const cluster = new Cluster();
  cluster.put(keys.owner(web), { ...held("h1", 3, 4), kind: "released", failed: null } as never);
  expect(() => changePlaceTransaction(cluster.view, web, host("h2"), [])).toThrow("its disks lie on h1");
  expect(() => changePlaceTransaction(cluster.view, web, host("h1"), [])).not.toThrow();
});

describe("before the hand-over", () => {
  test("[S15] each image is on record before it is made, of local pools alone", () => {
    const cluster = new Cluster();
    expect(isArriving(cluster.view, asked)).toBe(false);
    expect(cluster.arrive()).toBe(true);
    expect(cluster.states("h2")).toEqual(["copying", "copying"]);
    expect(cluster.view.replicas.size).toBe(2);
    expect(isArriving(cluster.view, asked)).toBe(true);
    expect(isArriving(cluster.view, { ...asked, epoch: 5 as VmMove["epoch"] })).toBe(false);
  });

  test("[S15] not beside images of an earlier move, and not for a move that is asked no more", () => {
    const cluster = arrived();
    expect(hasOldImages(cluster.view, web, target.host)).toBe(true);
    cluster.put(keys.vmMove(web), asked);
    expect(arrivingTransaction(cluster.view, cluster.move(), cluster.registration(target)).kind).toBe("refused");
    const other = new Cluster().put(keys.vmMove(web), waiting);
    expect(arrivingTransaction(other.view, other.move(), other.registration(target)).kind).toBe("refused");
  });

  test("[S15] an image of a move that is over is given up on record, then removed, then forgotten", () => {
    const cluster = arrived();
    expect(oldImages(cluster.view, target.host, () => true)).toEqual([]);
    for (const image of oldImages(cluster.view, target.host, nobody)) {
      expect(image.kind).toBe("orphan");
      expect(cluster.write(giveUpImage(image, cluster.registration(target), at))).toBe(true);
    }
    const surplus = oldImages(cluster.view, target.host, nobody);
    expect(surplus.map(({ kind, pool: of }) => [kind, of.id])).toEqual([
      ["surplus", "fast"],
      ["surplus", "fast"],
    ]);
    for (const image of surplus) cluster.write(imageGone(image, cluster.registration(target)));
    expect(cluster.view.replicas.size).toBe(0);
  });

  test("[S15] an image that was given up never becomes a volume; one that has become it is not given up", () => {
    const first = arrived();
    const handOver = switchoverTransaction(first.view, web, source, at);
    const [image] = oldImages(first.view, target.host, nobody);
    const giveUp = giveUpImage(must(image, "no image"), first.registration(target), at);
    expect([first.write(giveUp), first.commit(handOver)]).toEqual([true, false]);
    expect(switchoverTransaction(first.view, web, source, at).kind).toBe("refused");
    const second = arrived();
    const late = must(oldImages(second.view, target.host, nobody)[0], "no image");
    second.commit(switchoverTransaction(second.view, web, source, at));
    expect(second.write(giveUpImage(late, second.registration(target), at))).toBe(false);
  });
});

describe("the hand-over", () => {
  test("[S15] one transaction moves the ownership and with it the place, and the source's disks are stale", () => {
    const cluster = arrived();
    expect(cluster.commit(switchoverTransaction(cluster.view, web, source, at))).toBe(true);
    expect(liesOn(cluster.view, must(cluster.view.vms.get(web), "no VM").value)).toBe("h2");
    expect([cluster.states("h1"), cluster.states("h2")]).toEqual([
      ["stale", "stale"],
      [undefined, undefined],
    ]);
    const [first] = keptCopies(cluster.view, web);
    expect(first?.[1].value).toMatchObject({ host: "h1", epoch: 4, pool: "fast", state: kept, receiver: null });
  });

  test("[S15] refused where not every image is on record as this move's", () => {
    const cluster = new Cluster().put(keys.vmMove(web), waiting);
    expect(switchoverTransaction(cluster.view, web, source, at)).toMatchObject({ code: "move-overtaken" });
    const partly = arrived();
    const key = keys.replica(web, volumes[1] as VolumeId, target.host);
    const record = must(partly.view.replicas.get(key), "no record").value;
    partly.put(key, { ...record, epoch: 3 } as Replica);
    expect(switchoverTransaction(partly.view, web, source, at)).toMatchObject({ code: "move-overtaken" });
  });

  test("[S15] given back, the source's disks are the volumes again and nobody needs the target's", () => {
    const cluster = switched();
    const why = refuse("move-target-ended", {});
    expect(cluster.commit(giveBackTransaction(cluster.view, web, target, why))).toBe(true);
    expect([cluster.states("h1"), cluster.states("h2")]).toEqual([
      [undefined, undefined],
      ["surplus", "surplus"],
    ]);
  });
});

describe("afterwards", () => {
  test("[S15] the old disks are kept until the VM was seen to live, and are touched by nobody before", () => {
    const cluster = switched();
    expect(oldImages(cluster.view, source.host, nobody)).toEqual([]);
    const { compares, writes } = confirmCopies(cluster.view, web, at);
    const owner = unchanged(keys.owner(web), cluster.view.owners.get(web));
    expect(cluster.write(transaction([owner, ...compares], writes))).toBe(true);
    expect(oldImages(cluster.view, source.host, nobody)).toHaveLength(2);
    expect(keptCopies(cluster.view, web)).toEqual([]);
  });

  test("[S15] a host on which the VM lies removes nothing of it, whatever a record says", () => {
    const cluster = switched();
    for (const [key, { value }] of cluster.view.replicas)
      cluster.put(key, { ...value, state: { kind: "surplus", at } });
    cluster.put(keys.owner(web), held("h1", 3, 7));
    expect(() => oldImages(cluster.view, source.host, nobody)).toThrow("lies on it");
  });

  test("[S1] only the life of the host that is there, and not fenced, says that an image is gone", () => {
    const cluster = arrived();
    const [image] = oldImages(cluster.view, target.host, nobody);
    const write = giveUpImage(must(image, "no image"), cluster.registration(target), at);
    cluster.put(keys.fence(target.host, target.incarnation), fence());
    expect(cluster.write(write)).toBe(false);
  });

  test("a VM that is deleted leaves nothing: its own images and those beside them are given up", () => {
    const cluster = switched();
    const { compares, writes } = deleteCopies(cluster.view, web, at);
    cluster.write(transaction(compares, writes));
    expect([cluster.states("h1"), cluster.states("h2")]).toEqual([
      ["surplus", "surplus"],
      ["surplus", "surplus"],
    ]);
  });
});

describe("copies of replication that nobody needs any more", () => {
  const there = host("h2");
  const copies = () => new ReplicaCluster().copies({ kind: "diverged", at, kept: true });

  test("[S18] all of them at once, with the pool that their images lie in; and never those that the VM lies on", () => {
    const cluster = copies().put(keys.pool("local" as PoolId), pool("local", "local-dir"));
    const made = giveUpCopies(cluster.view, web, there, at);
    if (made.kind !== "change") throw new Error(JSON.stringify(made));
    expect(cluster.commit({ kind: "commit", transaction: transaction(made.compares, made.writes) })).toBe(true);
    const all = [...cluster.view.replicas.values()].map(({ value }) => [value.state.kind, value.pool]);
    expect(all).toEqual([
      ["surplus", "local"],
      ["surplus", "local"],
    ]);
    expect(oldImages(cluster.view, there, nobody)).toHaveLength(2);
    expect(giveUpCopies(cluster.view, web, host("h1"), at)).toMatchObject({ code: "replica-absent" });
    expect(giveUpCopies(new ReplicaCluster().view, web, there, at)).toMatchObject({ code: "replica-absent" });
  });
});
