import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { must } from "../../src/base/assert.ts";
import type { Revision, StoreKey } from "../../src/model/ids.ts";
import type { Store } from "../../src/ports/store.ts";
import type { Way } from "../support/cables.ts";
import { at, commit, committed, key, put, snapshot, Watched } from "../support/store-promises.ts";
import { expectNothingLost, type Until, Writer } from "../support/store-writer.ts";

/** Three members and two clients of one store, each on a machine of its own: `m0`, `m1`, `m2`, `c0`, `c1`. */
export interface CutRig {
  /** A client of this machine that asks the member `prefers` first. */
  open(client: 0 | 1, prefers: number): Store;
  closeStores(): void;
  /** The number of the member that leads; waits until there is one. */
  leader(): Promise<number>;
  /** From one moment on, what is sent along these ways is lost. */
  cut(ways: readonly Way[]): Promise<void>;
  heal(): Promise<void>;
  until: Until;
  /** Lets a call come to its end. */
  run<T>(call: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

type Machines = { readonly leader: string; readonly follower: string; readonly third: string };
type Cut = {
  readonly what: string;
  /** Which member the first client asks first; the second one asks `third`. */
  readonly prefers: keyof Machines;
  readonly ways: (machines: Machines) => readonly Way[];
  /** The first client is cut off, too: it learns nothing until the heal. */
  readonly alone?: boolean;
};

const clients = ["c0", "c1"] as const;
const toAll = (from: string, others: readonly string[]): Way[] => others.map((to) => [from, to] as const);
const both = (ways: readonly Way[]): Way[] => ways.flatMap(([a, b]) => [[a, b] as const, [b, a] as const]);
const others = ({ leader, follower, third }: Machines, not: string): string[] =>
  [leader, follower, third].filter((member) => member !== not);
const backwards = (ways: readonly Way[]): Way[] => ways.map(([from, to]) => [to, from] as const);

const cuts: readonly Cut[] = [
  {
    what: "a follower is cut off",
    prefers: "follower",
    ways: (machines) => both(toAll(machines.follower, [...others(machines, machines.follower), ...clients])),
  },
  {
    what: "the leader is cut off",
    prefers: "leader",
    ways: (machines) => both(toAll(machines.leader, [...others(machines, machines.leader), ...clients])),
  },
  {
    what: "the leader is cut off from the other members, and clients still come to it",
    prefers: "leader",
    ways: (machines) => both(toAll(machines.leader, others(machines, machines.leader))),
  },
  {
    what: "nobody hears the leader, and it hears everybody",
    prefers: "leader",
    ways: (machines) => toAll(machines.leader, [...others(machines, machines.leader), ...clients]),
  },
  {
    what: "the leader hears nobody, and everybody hears it",
    prefers: "leader",
    ways: (machines) => backwards(toAll(machines.leader, [...others(machines, machines.leader), ...clients])),
  },
  {
    what: "leader and follower lose each other, the third one has both",
    prefers: "follower",
    ways: ({ leader, follower }) => both([[leader, follower]]),
  },
  {
    what: "a client and its member lose each other",
    prefers: "leader",
    ways: ({ leader }) => both([["c0", leader]]),
  },
  {
    what: "a client does not hear its member, which hears it",
    prefers: "leader",
    ways: ({ leader }) => [[leader, "c0"]],
  },
  {
    what: "a client is cut off from all members",
    prefers: "follower",
    ways: (machines) => both(toAll("c0", others(machines, ""))),
    alone: true,
  },
];

/** What a store promises while cables are cut, the same for the simulated members and for a real etcd. */
export function storeCutsContract(name: string, openRig: () => Promise<CutRig>): void {
  describe(`store contract under cuts: ${name}`, () => {
    let opened: CutRig | undefined;
    const rig = (): CutRig => must(opened, "the rig is open");
    beforeAll(async () => {
      opened = await openRig();
    }, 60_000);
    afterEach(async () => {
      await opened?.heal();
      opened?.closeStores();
    });
    afterAll(() => opened?.close());

    for (const cut of cuts)
      test(`[S8] ${cut.what}: nothing acknowledged is lost, nothing comes twice, no read is old`, async () => {
        await playCut(rig(), cut);
      }, 60_000);
  });
}

async function playCut(rig: CutRig, { prefers, ways, alone = false }: Cut): Promise<void> {
  const machines = await roles(rig);
  const prefix = key(`/t-${randomBytes(4).toString("hex")}/`);
  const stores = [
    rig.open(0, Number(machines[prefers].slice(1))),
    rig.open(1, Number(machines.third.slice(1))),
  ] as const;
  const counted = new Counter(key(`${prefix}counter/`));
  const start = await rig.run(committed(stores[1], { writes: [put(counted.key, "0")] }));
  const watched = stores.map((store) => new Watched(store, key("/"), start));
  const writers = stores.map((store, i) => new Writer(store, prefix, `w${i}-`, 1_000, rig.until));
  const counting = stores.map((store) => counted.countOn(store));
  const all = (each: (writer: Writer) => Promise<void>) => Promise.all(writers.map(each));
  await all((writer) => writer.goesOn(10));

  await rig.cut(ways(machines));
  const [first, second] = [must(writers[0], "two writers"), must(writers[1], "two writers")];
  await Promise.all([second.goesOn(30), alone ? first.isInDoubt(3) : first.goesOn(30)]);
  await rig.heal();

  await all((writer) => writer.goesOn(10));
  await all((writer) => writer.stop());
  counted.stopped = true;
  await rig.run(Promise.all(counting));

  const end = await rig.run(snapshot(stores[1], prefix));
  if (end.kind !== "done") throw new Error(end.cause);
  const there = new Map<string, string>(end.values.map((value) => [value.key, value.text]));
  expectNothingLost(there, writers);
  const value = Number(there.get(counted.key));
  expect(value).toBeGreaterThanOrEqual(counted.sure);
  expect(value).toBeLessThanOrEqual(counted.sure + counted.unsure);
  expect(counted.oldReads).toEqual([]);
  await expectSameStory(rig, watched, { prefix, counter: counted.key, value, keys: there.size, upTo: end.revision });
}

async function roles(rig: CutRig): Promise<Machines> {
  const leader = await rig.leader();
  const [follower, third] = [0, 1, 2].filter((member) => member !== leader);
  return { leader: `m${leader}`, follower: `m${follower}`, third: `m${third}` };
}

/** Each watch brought every change of this test once, in the order of the store. */
async function expectSameStory(
  rig: CutRig,
  watched: readonly Watched[],
  wanted: {
    readonly prefix: StoreKey;
    readonly counter: StoreKey;
    readonly value: number;
    readonly keys: number;
    readonly upTo: Revision;
  },
): Promise<void> {
  const { prefix, counter, value, keys, upTo } = wanted;
  // What a cut had held back may still come to be after everything else.
  const mine = (watch: Watched) =>
    watch.changes.filter((change) => change.key.startsWith(prefix) && change.revision <= upTo);
  // All keys but the counter were written once; the counter's first value came before the watches began.
  const count = keys - 1 + value;
  for (const watch of watched) {
    await rig.until("the watch has brought everything", () => mine(watch).length >= count);
    watch.stop();
    const changes = mine(watch);
    expect(changes).toHaveLength(count);
    const revisions = changes.map((change) => change.revision);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    const steps = changes.flatMap((change) => (change.kind === "put" && change.key === counter ? [change.text] : []));
    expect(steps).toEqual(Array.from({ length: value }, (_, i) => `${i + 1}`));
  }
}

/** A number that two clients count up, each step guarded by what it has read; keeps reads that were older than a commit. */
class Counter {
  readonly key: StoreKey;
  sure = 0;
  unsure = 0;
  stopped = false;
  readonly oldReads: string[] = [];
  #known = 0 as Revision;

  constructor(of: StoreKey) {
    this.key = of;
  }

  async countOn(store: Store): Promise<void> {
    while (!this.stopped) {
      const known = this.#known;
      const end = await snapshot(store, this.key);
      if (end.kind !== "done") continue;
      if (end.revision < known) this.oldReads.push(`${end.revision} < ${known}`);
      const value = must(end.values[0], "the counter is there");
      const next = put(this.key, `${Number(value.text) + 1}`);
      const outcome = await commit(store, { compares: [at(this.key, value.revision)], writes: [next] }, 700);
      if (outcome.kind === "committed") {
        this.sure += 1;
        this.#known = Math.max(this.#known, outcome.revision) as Revision;
      }
      if (outcome.kind === "unknown") this.unsure += 1;
    }
  }
}
