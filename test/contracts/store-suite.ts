import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { noRevision, type Revision, type StoreKey } from "../../src/model/ids.ts";
import type { Store } from "../../src/ports/store.ts";
import { absent, at, commit, committed, drop, key, put, snapshot, values, Watched } from "../support/store-promises.ts";

export type StoreUnderTest = {
  /** Two clients of one store. */
  readonly stores: () => readonly [Store, Store];
  readonly compact: (revision: Revision) => Promise<void>;
};

/** What `ports/store.ts` promises, the same for the memory store and for a real etcd. */
export function storeContract(name: string, under: StoreUnderTest): void {
  describe(`store contract: ${name}`, () => {
    commits(under);
    snapshots(under);
    watches(under);
    safetyTransactions(under);
  });
}

const newPrefix = (): StoreKey => key(`/t-${randomBytes(4).toString("hex")}/`);
const under = (prefix: StoreKey, name: string): StoreKey => key(`${prefix}${name}/`);

function commits({ stores }: StoreUnderTest): void {
  test("a compare for absence lets the first writer through and shows the second what stands there", async () => {
    const [a, b] = stores();
    const k = under(newPrefix(), "k");
    const revision = await committed(a, { compares: [absent(k)], writes: [put(k, "first")] });
    const end = await commit(b, { compares: [absent(k)], writes: [put(k, "second")] });
    expect(end).toMatchObject({ kind: "refused", found: [{ key: k, text: "first", revision }] });
  });

  test("a compare by revision: the unchanged key passes, a changed or deleted one is refused", async () => {
    const [a] = stores();
    const k = under(newPrefix(), "k");
    const one = await committed(a, { writes: [put(k, "1")] });
    const two = await committed(a, { compares: [at(k, one)], writes: [put(k, "2")] });
    expect(two).toBeGreaterThan(one);
    expect(await commit(a, { compares: [at(k, one)], writes: [put(k, "3")] })).toMatchObject({ kind: "refused" });
    await committed(a, { compares: [at(k, two)], writes: [drop(k)] });
    expect(await commit(a, { compares: [at(k, two)], writes: [put(k, "4")] })).toMatchObject({
      kind: "refused",
      found: [],
    });
  });

  test("the same text written again is a change: a compare is of revisions, not of texts", async () => {
    const [a] = stores();
    const k = under(newPrefix(), "k");
    const one = await committed(a, { writes: [put(k, "same")] });
    await committed(a, { writes: [put(k, "same")] });
    expect(await commit(a, { compares: [at(k, one)], writes: [put(k, "x")] })).toMatchObject({ kind: "refused" });
  });

  test("all writes of a transaction happen at one revision, or none does", async () => {
    const [a] = stores();
    const prefix = newPrefix();
    const [x, y, z] = [under(prefix, "x"), under(prefix, "y"), under(prefix, "z")];
    await committed(a, { writes: [put(z, "old")] });
    const both = await committed(a, { compares: [absent(x)], writes: [put(x, "1"), put(y, "1"), drop(z)] });
    const end = await snapshot(a, prefix);
    expect(end).toMatchObject({
      kind: "done",
      values: [
        { key: x, revision: both },
        { key: y, revision: both },
      ],
    });
    const refused = await commit(a, { compares: [absent(z), absent(x)], writes: [put(x, "2"), put(z, "2")] });
    expect(refused.kind).toBe("refused");
    expect(await values(a, prefix)).toEqual(
      new Map([
        [x, "1"],
        [y, "1"],
      ]),
    );
  });

  test("a refusal tells every compared key that is there, and no other", async () => {
    const [a] = stores();
    const prefix = newPrefix();
    const [x, y, gone, other] = [under(prefix, "x"), under(prefix, "y"), under(prefix, "gone"), under(prefix, "other")];
    const revision = await committed(a, { writes: [put(x, "1"), put(y, "2"), put(other, "3")] });
    const end = await commit(a, { compares: [at(x, revision), absent(y), absent(gone)], writes: [] });
    if (end.kind !== "refused") throw new Error(`Expected a refusal, got ${end.kind}`);
    const found = [...end.found].sort((one, two) => (one.key < two.key ? -1 : 1));
    expect(found).toEqual([
      { key: x, text: "1", revision },
      { key: y, text: "2", revision },
    ]);
    expect(end.revision).toBeGreaterThanOrEqual(revision);
  });

  test("what changes nothing takes no revision: a compare alone, the deletion of an absent key", async () => {
    const [a] = stores();
    const k = under(newPrefix(), "k");
    const before = await committed(a, { writes: [put(k, "1")] });
    expect(await committed(a, { compares: [at(k, before)] })).toBe(before);
    expect(await committed(a, { writes: [drop(under(k, "never"))] })).toBe(before);
    expect(await committed(a, { writes: [put(k, "2")] })).toBe(before + 1);
  });

  test("texts survive: empty, beyond ASCII, large", async () => {
    const [a, b] = stores();
    const prefix = newPrefix();
    const texts = { empty: "", words: 'Wächter 守护 🛡 "\n\u0000', large: "x".repeat(300_000) };
    const writes = Object.entries(texts).map(([name, text]) => put(under(prefix, name), text));
    await committed(a, { writes });
    expect([...(await values(b, prefix)).values()]).toEqual([texts.empty, texts.large, texts.words]);
  });

  test("a broken transaction is a bug and throws: a key written twice, a key without its slash", () => {
    const [a] = stores();
    const k = under(newPrefix(), "k");
    const bad = (writes: readonly ReturnType<typeof put>[]) => () => a.commit({ compares: [], writes }, 1000, () => {});
    expect(bad([put(k, "1"), drop(k)])).toThrow(/twice/u);
    expect(bad([put(key("/no-slash"), "1")])).toThrow(/slash/u);
    expect(() => a.watch(key("/hosts/h1"), noRevision, () => {})).toThrow(/slash/u);
  });

  test("an answer never comes before the call has returned", async () => {
    const [a] = stores();
    let returned = false;
    const early = new Promise<boolean>((resolve) => {
      a.commit({ compares: [], writes: [put(under(newPrefix(), "k"), "1")] }, 15_000, () => resolve(!returned));
    });
    returned = true;
    expect(await early).toBe(false);
  });
}

function snapshots({ stores }: StoreUnderTest): void {
  test("a snapshot holds what was committed before, in order of keys, and nothing of a sibling", async () => {
    const [a, b] = stores();
    const prefix = newPrefix();
    const names = ["h10", "h1", "h2"];
    for (const name of names) await committed(a, { writes: [put(under(prefix, name), name)] });
    expect([...(await values(b, prefix)).values()]).toEqual(["h1", "h10", "h2"]);
    expect([...(await values(b, under(prefix, "h1"))).values()]).toEqual(["h1"]);
    expect(await snapshot(b, newPrefix())).toMatchObject({ kind: "done", values: [] });
  });

  test("a snapshot and a watch from its revision together miss nothing", async () => {
    const [a, b] = stores();
    const prefix = newPrefix();
    const writing = Promise.all(
      Array.from({ length: 40 }, (_, i) => committed(a, { writes: [put(under(prefix, `k${i}`), `${i}`)] })),
    );
    const end = await snapshot(b, prefix);
    if (end.kind !== "done") throw new Error(end.cause);
    const seen = new Set<string>(end.values.map((value) => value.key));
    const watched = new Watched(b, prefix, end.revision);
    await writing;
    await watched.until(() => seen.size + watched.changes.length >= 40);
    watched.stop();
    for (const change of watched.changes) {
      expect(seen.has(change.key)).toBe(false);
      seen.add(change.key);
    }
    expect(seen.size).toBe(40);
  });
}

function watches(underTest: StoreUnderTest): void {
  const { stores } = underTest;
  let watched: Watched[] = [];
  const watch = (store: Store, prefix: StoreKey, after: Revision): Watched => {
    const one = new Watched(store, prefix, after);
    watched.push(one);
    return one;
  };
  beforeEach(() => {
    watched = [];
  });
  afterEach(() => {
    for (const each of watched) each.stop();
  });

  test("changes of two writers come to two watchers in the same order, none twice, none missing", async () => {
    const [a, b] = stores();
    const prefix = newPrefix();
    const start = await committed(a, { writes: [put(under(newPrefix(), "start"), "")] });
    const [one, two] = [watch(a, prefix, start), watch(b, prefix, start)];
    const writer = async (store: Store, name: string) => {
      for (let i = 0; i < 60; i++) await committed(store, { writes: [put(under(prefix, name), `${name}${i}`)] });
    };
    await Promise.all([writer(a, "a"), writer(b, "b")]);
    await Promise.all([one.until(() => one.changes.length >= 120), two.until(() => two.changes.length >= 120)]);
    expect(one.story).toEqual(two.story);
    const revisions = one.changes.map((change) => change.revision);
    expect(revisions).toEqual([...new Set(revisions)].sort((x, y) => x - y));
    const texts = one.changes.map((change) => (change.kind === "put" ? change.text : ""));
    for (const name of ["a", "b"]) {
      expect(texts.filter((text) => text.startsWith(name))).toEqual(
        Array.from({ length: 60 }, (_, i) => `${name}${i}`),
      );
    }
  });

  test("the changes of one transaction come together, in the order of its writes", async () => {
    const [a, b] = stores();
    const prefix = newPrefix();
    const keys = Array.from({ length: 20 }, (_, i) => under(prefix, `k${i}`));
    const start = await committed(a, { writes: keys.map((k) => put(k, "0")) });
    const live = watch(b, prefix, start);
    for (let i = 1; i <= 10; i++)
      await committed(a, { writes: keys.map((k) => (i === 10 ? drop(k) : put(k, `${i}`))) });
    const late = watch(b, prefix, start);
    for (const each of [live, late]) {
      await each.until(() => each.changes.length >= 200);
      expect(each.changes.map((change) => change.key)).toEqual(Array.from({ length: 10 }, () => keys).flat());
      for (const event of each.events) {
        if (event.kind !== "changes") throw new Error("Expected changes only");
        expect(event.changes.length % keys.length).toBe(0);
        expect(event.revision).toBe(event.changes.at(-1)?.revision);
      }
    }
  });

  test("a watch from an earlier revision brings exactly what came after it", async () => {
    const [a, b] = stores();
    const prefix = newPrefix();
    const k = under(prefix, "k");
    const revisions: Revision[] = [];
    for (let i = 0; i < 5; i++) revisions.push(await committed(a, { writes: [put(k, `${i}`)] }));
    const gone = await committed(a, { writes: [drop(k)] });
    const [from = noRevision] = revisions.slice(2);
    const one = watch(b, prefix, from);
    await one.until(() => one.changes.length >= 3);
    expect(one.story).toEqual([`+${k}=3@${revisions[3]}`, `+${k}=4@${revisions[4]}`, `-${k}@${gone}`]);
  });

  test("a watch sees only keys under its prefix, and nothing after it was stopped", async () => {
    const [a] = stores();
    const prefix = newPrefix();
    const start = await committed(a, { writes: [put(under(prefix, "h10"), "before")] });
    const one = watch(a, under(prefix, "h1"), start);
    const all = watch(a, prefix, start);
    await committed(a, {
      writes: [put(under(prefix, "h10"), "sibling"), put(under(under(prefix, "h1"), "x"), "mine")],
    });
    await one.until(() => one.changes.length >= 1);
    one.stop();
    await committed(a, { writes: [put(under(prefix, "h1"), "late")] });
    await all.until(() => all.changes.length >= 3);
    expect(one.changes.map((change) => change.key)).toEqual([under(under(prefix, "h1"), "x")]);
  });

  test("history that is gone is said, once, and ends the watch", async () => {
    const [a, b] = stores();
    const prefix = newPrefix();
    const k = under(prefix, "k");
    const one = await committed(a, { writes: [put(k, "1")] });
    const two = await committed(a, { writes: [put(k, "2")] });
    const three = await committed(a, { writes: [drop(k)] });
    await underTest.compact(three);
    // Compacted exactly at the deletion that the second watch needs: etcd 3.4 itself would leave it out in silence.
    for (const after of [one, two]) {
      const gone = watch(b, prefix, after);
      await gone.until(() => gone.events.length >= 1);
      expect(gone.events).toEqual([{ kind: "compacted" }]);
    }
    const kept = watch(b, prefix, three);
    const four = await committed(a, { writes: [put(k, "4")] });
    await kept.until(() => kept.changes.length >= 1);
    expect(kept.story).toEqual([`+${k}=4@${four}`]);
    expect(watched.map((each) => each.events.length)).toEqual([1, 1, 1]);
  });
}

function safetyTransactions({ stores }: StoreUnderTest): void {
  test("[S1] of a heartbeat and a fence at the same moment exactly one commits", async () => {
    const [heart, manager] = stores();
    const prefix = newPrefix();
    const race = async (n: number): Promise<string> => {
      const [hb, fence] = [under(prefix, `hb/h${n}/1`), under(prefix, `fence/h${n}/1`)];
      const last = await committed(heart, { compares: [absent(fence)], writes: [put(hb, "0")] });
      const beat = () => commit(heart, { compares: [absent(fence)], writes: [put(hb, "1")] });
      const end = () => commit(manager, { compares: [at(hb, last)], writes: [put(fence, "silence")] });
      const first = n % 2 === 0 ? beat() : end();
      const second = n % 2 === 0 ? end() : beat();
      const kinds = (await Promise.all([first, second])).map((each) => each.kind).sort();
      return kinds.join(" ");
    };
    const ends = await Promise.all(Array.from({ length: 50 }, (_, n) => race(n)));
    expect(new Set(ends)).toEqual(new Set(["committed refused"]));
  });

  test("[S1] a heartbeat with another nonce's registration is refused and shows who is registered", async () => {
    const [mine, theirs] = stores();
    const prefix = newPrefix();
    const [host, hb] = [under(prefix, "hosts/h1"), under(prefix, "hb/h1/1")];
    const registered = await committed(mine, { compares: [absent(host)], writes: [put(host, "nonce-a")] });
    const taken = await committed(theirs, { compares: [at(host, registered)], writes: [put(host, "nonce-b")] });
    const end = await commit(mine, { compares: [at(host, registered)], writes: [put(hb, "1")] });
    expect(end).toMatchObject({ kind: "refused", found: [{ key: host, text: "nonce-b", revision: taken }] });
  });

  test("[S12] of many that take the manager's term at once exactly one gets it", async () => {
    const [a, b] = stores();
    const term = under(newPrefix(), "manager/term");
    const seen = await committed(a, { writes: [put(term, "1")] });
    const ends = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        commit(i % 2 === 0 ? a : b, { compares: [at(term, seen)], writes: [put(term, `2 by ${i}`)] }),
      ),
    );
    expect(ends.filter((end) => end.kind === "committed")).toHaveLength(1);
    expect(ends.filter((end) => end.kind === "refused")).toHaveLength(19);
  });
}
