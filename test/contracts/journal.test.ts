import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, test, vi } from "vitest";
import { openJournal } from "../../src/adapters/sqlite/journal.ts";
import type { HostId, Revision, VmId, WallMs } from "../../src/model/ids.ts";
import { systemActor } from "../../src/model/records.ts";
import type { Journal, StoredEvent } from "../../src/ports/journal.ts";
import { memoryJournal } from "../../src/sim/journal.ts";

const folders: string[] = [];
const open: { close: () => void }[] = [];
afterEach(() => {
  for (const journal of open.splice(0)) journal.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-journal-"));
  folders.push(folder);
  return join(folder, "journal.sqlite");
}

function openAt(path: string): Journal {
  const journal = openJournal(path, (_code, { cause }) => {
    throw new Error(cause);
  });
  open.push(journal);
  return journal;
}

type More = {
  readonly seq?: number;
  readonly host?: string;
  readonly vm?: string;
  readonly about?: string;
  readonly type?: string;
};

function event(revision: number, more: More = {}): StoredEvent {
  const { seq = revision, host = "h1", vm, about, type = "vm-running" } = more;
  const subjects = {
    ...(vm === undefined ? {} : { vm: vm as VmId }),
    ...(about === undefined ? {} : { host: about as HostId }),
  };
  return {
    revision: revision as Revision,
    event: {
      schema: 1,
      host: host as HostId,
      boot: "boot",
      seq,
      type,
      subjects,
      params: { vm: vm ?? "" },
      reason: { rule: "S14", code: "run-ended", params: { exit: "killed" } },
      alternatives: [],
      actor: systemActor,
      at: 0 as WallMs,
      previous: "",
    },
  };
}

const from = (revision: number) => revision as Revision;
const revisions = (found: readonly StoredEvent[]) => found.map((stored) => stored.revision);
const sequences = (found: readonly StoredEvent[]) => found.map((stored) => stored.event.seq);

const kinds: [string, () => Journal][] = [
  ["memory", memoryJournal],
  ["sqlite", () => openAt(newPath())],
];

describe.each(kinds)("journal in %s", (_, create) => {
  test("an empty one has no events and no revision", () => {
    const journal = create();
    expect(journal.read({ limit: 10 })).toEqual([]);
    expect(journal.last()).toBe(0);
  });

  test("gives back what it was given, oldest first, also when added out of order", () => {
    const journal = create();
    const events = [event(3), event(1), event(2)];
    journal.add(events);
    expect(journal.read({ limit: 10 })).toEqual([events[1], events[2], events[0]]);
    expect(journal.last()).toBe(3);
  });

  test("adding twice changes nothing", () => {
    const journal = create();
    journal.add([event(1), event(2)]);
    journal.add([event(2), event(3)]);
    journal.add([]);
    expect(revisions(journal.read({ limit: 10 }))).toEqual([1, 2, 3]);
  });

  test("without `after` the newest, with it the oldest after it", () => {
    const journal = create();
    journal.add([1, 2, 3, 4, 5].map((revision) => event(revision)));
    expect(revisions(journal.read({ limit: 2 }))).toEqual([4, 5]);
    expect(revisions(journal.read({ limit: 2, after: from(1) }))).toEqual([2, 3]);
    expect(journal.read({ limit: 2, after: from(5) })).toEqual([]);
    expect(journal.read({ limit: 0 })).toEqual([]);
  });

  test("a page never splits a revision: paging loses nothing", () => {
    const journal = create();
    const same = [2, 3, 4].map((seq) => event(2, { seq }));
    journal.add([event(1, { seq: 1 }), ...same, event(3, { seq: 5 })]);
    expect(sequences(journal.read({ limit: 2, after: from(0) }))).toEqual([1, 2, 3, 4]);
    expect(sequences(journal.read({ limit: 2, after: from(2) }))).toEqual([5]);
  });

  test("filters by VM, by host as subject or writer, and by type", () => {
    const journal = create();
    journal.add([
      event(1, { vm: "vm:a" }),
      event(2, { vm: "vm:b", type: "vm-failed" }),
      event(3, { host: "h2", about: "h3", type: "host-fenced" }),
    ]);
    expect(revisions(journal.read({ vm: "vm:a", limit: 10 }))).toEqual([1]);
    expect(revisions(journal.read({ host: "h1", limit: 10 }))).toEqual([1, 2]);
    expect(revisions(journal.read({ host: "h3", limit: 10 }))).toEqual([3]);
    expect(revisions(journal.read({ host: "h1", type: "vm-failed", limit: 10 }))).toEqual([2]);
    expect(revisions(journal.read({ vm: "vm:b", after: from(2), limit: 10 }))).toEqual([]);
  });
});

test("the journal on disk survives its process", () => {
  const path = newPath();
  openAt(path).add([event(1), event(2)]);
  for (const journal of open.splice(0)) journal.close();
  expect(revisions(openAt(path).read({ limit: 10 }))).toEqual([1, 2]);
});

/** Opens it, noting the codes of what it tells. */
function openTelling(path: string): { journal: Journal; told: string[] } {
  const told: string[] = [];
  const journal = openJournal(path, (code) => told.push(code));
  open.push(journal);
  return { journal, told };
}

test("a file that is no journal is told, and left alone: history is kept in memory", () => {
  const path = newPath();
  const text = "this is not a database, but it is long enough to be taken for one".repeat(20);
  writeFileSync(path, text);
  const { journal, told } = openTelling(path);
  expect(told).toEqual(["journal-unreadable"]);
  journal.add([event(1)]);
  expect(revisions(journal.read({ limit: 10 }))).toEqual([1]);
  expect(readFileSync(path, "utf8")).toBe(text);
});

test("a journal of a later version is told and left alone", () => {
  const path = newPath();
  const db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 99");
  db.close();
  const { journal, told } = openTelling(path);
  expect(told).toEqual(["journal-too-new"]);
  journal.add([event(1)]);
  expect(revisions(journal.read({ limit: 10 }))).toEqual([1]);
});

test("a file that did not open is taken into use when it does, with what came meanwhile", () => {
  const path = newPath();
  openAt(path).add([event(1)]);
  for (const journal of open.splice(0)) journal.close();
  const whole = readFileSync(path);
  writeFileSync(path, "damaged ".repeat(2_000));
  vi.useFakeTimers({ toFake: ["performance"] });
  try {
    const { journal, told } = openTelling(path);
    expect(journal.last()).toBe(0);
    journal.add([event(2)]);
    writeFileSync(path, whole);
    expect(revisions(journal.read({ limit: 10 }))).toEqual([2]);
    vi.advanceTimersByTime(60_000);
    expect(revisions(journal.read({ limit: 10 }))).toEqual([1, 2]);
    expect(told).toEqual(["journal-unreadable", "journal-on-disk"]);
  } finally {
    vi.useRealTimers();
  }
});

test("events that cannot be written are told of, kept and written with the next ones", () => {
  const path = newPath();
  const { journal, told } = openTelling(path);
  // A trigger stands in for the full disk: each insert fails until it is dropped.
  const other = new DatabaseSync(path);
  other.exec("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk is full'); END");
  journal.add([event(1)]);
  expect(told).toEqual(["journal-trouble"]);
  other.exec("DROP TRIGGER full");
  other.close();
  journal.add([event(2)]);
  expect(revisions(journal.read({ limit: 10 }))).toEqual([1, 2]);
});
