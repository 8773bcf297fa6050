import fc from "fast-check";
import { expect, test } from "vitest";
import { poolsOf, proveGone } from "../../src/core/fencing.ts";
import { copyingTransaction, inSyncTransaction, mayGoOnAlone, staleTransaction } from "../../src/core/replication.ts";
import { promoteTransaction } from "../../src/core/replication-promotion.ts";
import type { WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { fence } from "../support/records.ts";
import { ReplicaCluster, run, there, volumes, web } from "../support/replicas.ts";

const at = 1 as WallMs;
type Made = { readonly kind: string } & Partial<{ transaction: never }>;
const counts = { promoted: 0, refused: 0, stale: 0, counted: 0 };

/** A source that follows the rules, a manager, and a store that takes what they made as late as it likes. */
class Pair {
  readonly cluster = new ReplicaCluster().copies({ kind: "in-sync" });
  readonly acknowledged = volumes.map(() => new Set<number>());
  readonly source = volumes.map(() => new Set<number>());
  readonly replica = volumes.map(() => new Set<number>());
  readonly waiting: { disk: number; id: number }[] = [];
  readonly pending: { what: string; made: Made }[] = [];
  mode: "hold" | "stale" = "hold";
  isLinked = true;
  /** The driver's `confirm`: nothing was answered without the copy since the last resync. */
  refusedNothing = true;
  isFenced = false;
  isPromoted = false;
  #lastId = 0;

  write(disk: number): void {
    // A fenced host stands still.
    if (this.isFenced) return;
    this.#lastId += 1;
    const id = this.#lastId;
    this.source[disk]?.add(id);
    if (this.mode === "stale") this.acknowledged[disk]?.add(id);
    else {
      this.waiting.push({ disk, id });
      this.deliver();
    }
  }

  deliver(): void {
    if (!this.isLinked || this.mode !== "hold") return;
    for (const { disk, id } of this.waiting.splice(0)) {
      this.replica[disk]?.add(id);
      this.acknowledged[disk]?.add(id);
    }
  }

  goOnAlone(): void {
    if (this.isFenced || !mayGoOnAlone(this.cluster.view, web, run, there)) return;
    this.mode = "stale";
    this.refusedNothing = false;
    for (const { disk, id } of this.waiting.splice(0)) this.acknowledged[disk]?.add(id);
  }

  /** Only once it is recorded that the copy is of no use meanwhile. */
  resync(): void {
    const isRecorded = volumes.every((volume) => this.cluster.stateOf("h2", volume) === "copying");
    if (this.isFenced || !this.isLinked || !isRecorded) return;
    this.mode = "hold";
    this.refusedNothing = true;
    for (const [disk, had] of this.source.entries()) for (const id of had) this.replica[disk]?.add(id);
    this.deliver();
  }

  make(what: "stale" | "copying" | "in-sync" | "promote"): void {
    const { view } = this.cluster;
    if (what === "promote") {
      const vm = view.vms.get(web)?.value;
      const pools = vm === undefined ? undefined : poolsOf(vm, view);
      const proof = pools === undefined ? undefined : proveGone(view, run.host, run.incarnation, pools);
      if (proof !== undefined) this.#keep(what, promoteTransaction(view, web, there, { proof, at }, []));
    } else if (what === "stale") this.#keep(what, staleTransaction(view, web, run, there, "silent", at));
    else if (what === "copying") this.#keep(what, copyingTransaction(view, web, run, there));
    else if (this.mode === "hold" && this.refusedNothing) this.#keep(what, inSyncTransaction(view, web, run, there));
  }

  #keep(what: string, made: { readonly kind: string }): void {
    if (made.kind === "commit") this.pending.push({ what, made: made as Made });
    else counts.refused += 1;
  }

  commit(which: number): void {
    const [one] = this.pending.splice(which % Math.max(1, this.pending.length), 1);
    if (one === undefined) return;
    if (!this.cluster.commit(one.made)) counts.refused += 1;
    else if (one.what === "promote") this.isPromoted = true;
    else if (one.what === "stale") counts.stale += 1;
    else if (one.what === "in-sync") counts.counted += 1;
  }

  fence(): void {
    if (this.isFenced) return;
    this.isFenced = true;
    this.cluster.put(keys.fence(run.host, run.incarnation), fence());
  }

  missing(): number {
    return this.acknowledged.reduce(
      (sum, ids, disk) => sum + [...ids].filter((id) => this.replica[disk]?.has(id) !== true).length,
      0,
    );
  }
}

type Step = readonly [name: string, act: (pair: Pair) => void];
const named = (name: string, act: (pair: Pair) => void): Step => [name, act];
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.nat(1).map((disk) => named(`write ${disk}`, (pair) => pair.write(disk))) },
  {
    weight: 3,
    arbitrary: fc.boolean().map((up) =>
      named(`link ${up}`, (pair) => {
        pair.isLinked = up;
        pair.deliver();
      }),
    ),
  },
  {
    weight: 6,
    arbitrary: fc
      .constantFrom("stale" as const, "copying" as const, "in-sync" as const, "promote" as const)
      .map((what) => named(`make ${what}`, (pair) => pair.make(what))),
  },
  { weight: 8, arbitrary: fc.nat(7).map((which) => named(`commit ${which}`, (pair) => pair.commit(which))) },
  { weight: 4, arbitrary: fc.constant(named("go on alone", (pair) => pair.goOnAlone())) },
  { weight: 3, arbitrary: fc.constant(named("resync", (pair) => pair.resync())) },
  { weight: 1, arbitrary: fc.constant(named("fence", (pair) => pair.fence())) },
);

test("[S16, S17, S18] whatever comes in between, what is promoted without an order lacks no acknowledged write", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
      const pair = new Pair();
      for (const [, act] of steps) {
        act(pair);
        if (pair.isPromoted) break;
      }
      // In the end somebody fails over, whatever state things are in.
      pair.fence();
      pair.make("promote");
      while (!pair.isPromoted && pair.pending.length > 0) pair.commit(0);
      if (pair.isPromoted) counts.promoted += 1;
      expect(pair.isPromoted ? pair.missing() : 0).toBe(0);
    }),
    { numRuns: 600 },
  );
  for (const [what, count] of Object.entries(counts)) expect([what, count > 20]).toEqual([what, true]);
});
