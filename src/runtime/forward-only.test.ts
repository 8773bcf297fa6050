import { expect, test } from "vitest";
import type { Revision, StoreKey } from "../model/ids.ts";
import type { CommitEnd, SnapshotEnd, Store, WatchEvent } from "../ports/store.ts";
import { forwardOnly, type WentBack } from "./forward-only.ts";

const k = "/k/" as StoreKey;
const at = (revision: number): Revision => revision as Revision;

/** A store whose answers wait for the test. */
function scripted() {
  const asked: ((revision: number) => void)[] = [];
  const sent: number[] = [];
  let tell: (event: WatchEvent) => void = () => {};
  const store: Store = {
    snapshot: (_prefix, done) => asked.push((revision) => done({ kind: "done", values: [], revision: at(revision) })),
    commit: ({ writes }, _timeoutMs, done) => {
      sent.push(writes.length);
      asked.push((revision) => done({ kind: "committed", revision: at(revision) }));
    },
    watch: (_prefix, _after, listen) => {
      tell = listen;
      return () => {};
    },
  };
  return {
    store,
    asked,
    sent,
    changed: (revision: number) => tell({ kind: "changes", changes: [], revision: at(revision) }),
  };
}

function watched(known?: Revision) {
  const script = scripted();
  const back: WentBack[] = [];
  const store = forwardOnly(script.store, (seen) => back.push(seen), known);
  const ends: (CommitEnd | SnapshotEnd)[] = [];
  const heard: WatchEvent[] = [];
  store.watch(k, at(0), (event) => heard.push(event));
  const commit = () =>
    store.commit({ compares: [], writes: [{ kind: "put", key: k, text: "" }] }, 1, (end) => ends.push(end));
  const read = () => store.snapshot(k, (end) => ends.push(end));
  return { ...script, back, ends, heard, commit, read };
}

test("[S22] answers that overtake each other are no store that went back", () => {
  const { asked, back, ends, commit, read } = watched();
  read();
  commit();
  asked[1]?.(9);
  asked[0]?.(5);
  expect(ends.map(({ kind }) => kind)).toEqual(["committed", "done"]);
  expect(back).toEqual([]);
});

test("[S22] an answer older than what was known when it was asked for is refused, and everything after it", () => {
  const { asked, sent, back, ends, heard, changed, commit, read } = watched();
  changed(9);
  read();
  asked[0]?.(6);
  expect(back).toEqual([{ found: 6, known: 9 }]);
  commit();
  asked[1]?.(20);
  changed(21);
  expect(ends.map(({ kind }) => kind)).toEqual(["unknown", "unknown"]);
  expect(back).toHaveLength(1);
  // What this process would have written does not reach the store any more.
  expect(sent).toEqual([0]);
  expect(heard).toHaveLength(1);
});

test("[S22] what an earlier life has seen counts from the first answer on", () => {
  const { asked, back, ends, read } = watched(at(100));
  read();
  asked[0]?.(99);
  expect(back).toEqual([{ found: 99, known: 100 }]);
  expect(ends).toMatchObject([{ kind: "unknown" }]);
});

test("[S22] a commit under way when the store is found to be old is unknown, whatever its answer says", () => {
  const { asked, ends, commit, read } = watched(at(100));
  commit();
  read();
  asked[1]?.(7);
  asked[0]?.(101);
  expect(ends.map(({ kind }) => kind)).toEqual(["unknown", "unknown"]);
});
