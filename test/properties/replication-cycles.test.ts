import fc from "fast-check";
import { expect, test } from "vitest";
import { poolsOf, proveGone } from "../../src/core/fencing.ts";
import { lossByPolicy, sealedCycle, sealedTransaction } from "../../src/core/replication-cycles.ts";
import { promoteTransaction } from "../../src/core/replication-promotion.ts";
import type { WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { SealedCycle } from "../../src/model/replication-cycle.ts";
import { fence } from "../support/records.ts";
import { ReplicaCluster, run, there, volumes, web } from "../support/replicas.ts";

const limitMs = 40;
const counts = { promoted: 0, byHand: 0, lost: 0, sealed: 0, late: 0 };
type Write = { readonly at: number; readonly disk: number; readonly id: number };
type Made = { readonly kind: string } & Partial<{ transaction: never }>;

/** A source in cycles, a target that seals, a manager, and a store that takes what they made as late as it likes. */
class Cycles {
  readonly cluster = new ReplicaCluster().copies({ kind: "copying" });
  readonly acknowledged: Write[] = [];
  /** What each point at the target holds. */
  readonly points = new Map<string, readonly Write[]>();
  readonly pending: Made[] = [];
  now = 0;
  fencedAt: number | undefined;
  #sequence = 0;
  /** The cycle under way: what it holds, and how many of its disks have arrived. */
  #under: { readonly cycle: SealedCycle; readonly holds: readonly Write[]; arrived: number } | undefined;

  write(disk: number): void {
    if (this.fencedAt === undefined) this.acknowledged.push({ at: this.now, disk, id: this.acknowledged.length });
  }

  begin(): void {
    if (this.fencedAt !== undefined) return;
    const at = this.now as WallMs;
    const cycle = { chain: "abcdef012345", sequence: this.#sequence + 1, at, point: `p${this.points.size}` };
    this.#under = { cycle, holds: [...this.acknowledged], arrived: 0 };
  }

  arrive(): void {
    const under = this.#under;
    if (under === undefined) return;
    under.arrived += 1;
    if (under.arrived < volumes.length) return;
    this.#under = undefined;
    this.points.set(under.cycle.point, under.holds);
    this.#sequence = under.cycle.sequence;
    counts.sealed += 1;
    if (this.fencedAt !== undefined) return;
    const made = sealedTransaction(this.cluster.view, web, run, there, under.cycle);
    if (made.kind === "commit") this.pending.push(made as Made);
  }

  lose(): void {
    this.#under = undefined;
  }

  commit(which: number): void {
    const [one] = this.pending.splice(which % Math.max(1, this.pending.length), 1);
    if (one !== undefined && !this.cluster.commit(one)) counts.late += 1;
  }

  fence(): void {
    this.fencedAt ??= this.now;
    this.cluster.put(keys.fence(run.host, run.incarnation), fence());
  }

  /** The point that the promotion by the policy alone starts from; undefined: it is for a person. */
  promote(): string | undefined {
    const { view } = this.cluster;
    const vm = view.vms.get(web)?.value;
    const pools = vm === undefined ? undefined : poolsOf(vm, view);
    const proof = pools === undefined ? undefined : proveGone(view, run.host, run.incarnation, pools);
    const accepted = lossByPolicy(view, web, there, (this.fencedAt ?? 0) as WallMs, limitMs);
    const made = promoteTransaction(view, web, there, { proof, accepted, at: this.now as WallMs }, []);
    const point = sealedCycle(view, web, there)?.point;
    return made.kind === "commit" && this.cluster.commit(made) ? point : undefined;
  }
}

type Step = readonly [name: string, act: (cycles: Cycles) => void];
const named = (name: string, act: (cycles: Cycles) => void): Step => [name, act];
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.nat(1).map((disk) => named(`write ${disk}`, (cycles) => cycles.write(disk))) },
  {
    weight: 5,
    arbitrary: fc.nat(12).map((ms) =>
      named(`wait ${ms}`, (cycles) => {
        cycles.now += ms;
      }),
    ),
  },
  { weight: 4, arbitrary: fc.constant(named("begin", (cycles) => cycles.begin())) },
  { weight: 8, arbitrary: fc.constant(named("arrive", (cycles) => cycles.arrive())) },
  { weight: 1, arbitrary: fc.constant(named("lose", (cycles) => cycles.lose())) },
  { weight: 6, arbitrary: fc.nat(3).map((which) => named(`commit ${which}`, (cycles) => cycles.commit(which))) },
);

test("[S20, S25] whatever comes in between, a failover by policy loses no more than it states, of all disks at one moment", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 15, maxLength: 60 }), fc.nat(80), (steps, later) => {
      const cycles = new Cycles();
      for (const [, act] of steps) act(cycles);
      cycles.now += later;
      cycles.fence();
      while (cycles.pending.length > 0) cycles.commit(0);
      cycles.arrive();
      const point = cycles.promote();
      if (point === undefined) {
        counts.byHand += 1;
        return;
      }
      counts.promoted += 1;
      const holds = cycles.points.get(point) ?? [];
      const missing = cycles.acknowledged.slice(holds.length);
      counts.lost += missing.length;
      // What it holds is what there was at one moment: the first so many of all, in their order.
      expect(holds).toEqual(cycles.acknowledged.slice(0, holds.length));
      const oldest = missing[0]?.at ?? cycles.now;
      expect((cycles.fencedAt ?? 0) - oldest).toBeLessThanOrEqual(limitMs);
    }),
    { numRuns: 800 },
  );
  for (const [what, count] of Object.entries(counts)) expect([what, count > 20]).toEqual([what, true]);
});
