import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { z } from "zod";
import { noRevision, type Revision } from "../../model/ids.ts";
import { parseJson } from "../../model/json.ts";
import { eventSchema } from "../../model/records.ts";
import type { EventFilter, Journal, StoredEvent } from "../../ports/journal.ts";

const layout = `
  CREATE TABLE IF NOT EXISTS events (
    host TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL,
    revision INTEGER NOT NULL, type TEXT NOT NULL, vm TEXT, subject_host TEXT, text TEXT NOT NULL,
    PRIMARY KEY (host, boot, seq)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS events_revision ON events (revision);
  CREATE INDEX IF NOT EXISTS events_vm ON events (vm, revision);
`;
const rowSchema = z.object({ revision: z.int().transform((number) => number as Revision), text: z.string() });
const versionSchema = z.object({ user_version: z.int() });
const newestSchema = z.object({ revision: z.int().nullable() });

/** The layout's number, in the file: a later version's file is refused rather than misread. */
const layoutVersion = 1;
/** Events kept for a later try. The store keeps the recent ones: a restart reads them again. */
const waitingMax = 10_000;
const retryMs = 10_000;

export type OpenJournal = Journal & { readonly close: () => void };
/** Told with the parameters of the message of that code. */
export type JournalTrouble = (
  code: "journal-trouble" | "journal-unreadable" | "journal-too-new" | "journal-on-disk",
  params: { readonly path: string; readonly cause: string },
) => void;

type FileEnd =
  | { readonly kind: "open"; readonly journal: OpenJournal }
  | { readonly kind: "refused"; readonly code: "journal-unreadable" | "journal-too-new"; readonly cause: string };

/**
 * Opens or makes this host's own copy of the history. It checks nothing: `verifyChain` does, for whoever asks. Events
 * that cannot be written (a full disk) are kept in memory and written with the next ones. No trouble with the file ends
 * this host's daemon: where it does not open, the journal is kept in memory until it does.
 */
export function openJournal(path: string, onTrouble: JournalTrouble): OpenJournal {
  const told = (cause: string) => onTrouble("journal-trouble", { path, cause });
  const end = openFile(path, told);
  if (end.kind === "open") return end.journal;
  onTrouble(end.code, { path, cause: end.cause });
  return standIn(path, onTrouble, told);
}

function openFile(path: string, told: (cause: string) => void): FileEnd {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000;");
    const found = versionSchema.parse(db.prepare("PRAGMA user_version").get()).user_version;
    if (found > layoutVersion) {
      db.close();
      return { kind: "refused", code: "journal-too-new", cause: String(found) };
    }
    // A file that has its layout is not written to: it opens on a full disk, too.
    if (found < layoutVersion) layOut(db);
    return { kind: "open", journal: journalOn(db, told) };
  } catch (error) {
    if (db?.isOpen === true) db.close();
    return { kind: "refused", code: "journal-unreadable", cause: causeOf(error) };
  }
}

/** A journal in memory, which moves to the file as soon as that opens: whoever uses it may try every `retryMs`. */
function standIn(path: string, onTrouble: JournalTrouble, told: (cause: string) => void): OpenJournal {
  const db = new DatabaseSync(":memory:");
  layOut(db);
  let journal = journalOn(db, told);
  let inMemory = true;
  let tryAt = performance.now() + retryMs;
  const current = (): OpenJournal => {
    if (!inMemory || performance.now() < tryAt) return journal;
    tryAt = performance.now() + retryMs;
    const end = openFile(path, told);
    if (end.kind === "refused") return journal;
    inMemory = false;
    end.journal.add(journal.read({ limit: Number.MAX_SAFE_INTEGER }));
    journal.close();
    journal = end.journal;
    onTrouble("journal-on-disk", { path, cause: "" });
    return journal;
  };
  return {
    add: (events) => current().add(events),
    read: (filter) => current().read(filter),
    last: () => current().last(),
    close: () => journal.close(),
  };
}

function layOut(db: DatabaseSync): void {
  db.exec(`${layout} PRAGMA user_version = ${layoutVersion};`);
}

function journalOn(db: DatabaseSync, told: (cause: string) => void): OpenJournal {
  const insert = db.prepare("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  const newest = db.prepare("SELECT max(revision) AS revision FROM events");
  let waiting: readonly StoredEvent[] = [];
  const insertAll = (events: readonly StoredEvent[]) => {
    db.exec("BEGIN");
    for (const { event, revision } of events) {
      const { host, boot, seq, type, subjects } = event;
      const { vm = null, host: subjectHost = null } = subjects;
      insert.run(host, boot, seq, revision, type, vm, subjectHost, JSON.stringify(event));
    }
    db.exec("COMMIT");
  };
  const add = (events: readonly StoredEvent[]) => {
    const all = [...waiting, ...events];
    if (all.length === 0) return;
    try {
      insertAll(all);
      waiting = [];
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      waiting = all.slice(-waitingMax);
      told(causeOf(error));
    }
  };
  return {
    add,
    read: (filter) => readPage(db, filter),
    last: () => (newestSchema.parse(newest.get()).revision ?? noRevision) as Revision,
    close: () => db.close(),
  };
}

function causeOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function readPage(db: DatabaseSync, filter: EventFilter): StoredEvent[] {
  const { where, values } = conditions(filter);
  const columns = "SELECT revision, host, seq, text FROM events";
  if (filter.after === undefined) {
    const sql = `${columns} ${where} ORDER BY revision DESC, host DESC, seq DESC LIMIT ?`;
    return db
      .prepare(sql)
      .all(...values, filter.limit)
      .map(parseRow)
      .reverse();
  }
  const sql = `${columns} ${where} ORDER BY revision, host, seq LIMIT ?`;
  const found = db
    .prepare(sql)
    .all(...values, filter.limit)
    .map(parseRow);
  const last = found.at(-1);
  if (last === undefined || found.length < filter.limit) return found;
  // The rest of the last revision: a page never splits one, or the next page would skip it.
  const whole = found.filter((stored) => stored.revision !== last.revision);
  const end = conditions({ ...filter, after: undefined });
  const rest = `${columns} ${end.where === "" ? "WHERE" : `${end.where} AND`} revision = ? ORDER BY host, seq`;
  return [
    ...whole,
    ...db
      .prepare(rest)
      .all(...end.values, last.revision)
      .map(parseRow),
  ];
}

function conditions(filter: EventFilter): { readonly where: string; readonly values: SQLInputValue[] } {
  const parts: string[] = [];
  const values: SQLInputValue[] = [];
  const add = (sql: string, ...given: SQLInputValue[]) => {
    parts.push(sql);
    values.push(...given);
  };
  if (filter.vm !== undefined) add("vm = ?", filter.vm);
  if (filter.host !== undefined) add("(subject_host = ? OR host = ?)", filter.host, filter.host);
  if (filter.type !== undefined) add("type = ?", filter.type);
  if (filter.after !== undefined) add("revision > ?", filter.after);
  return { where: parts.length === 0 ? "" : `WHERE ${parts.join(" AND ")}`, values };
}

function parseRow(row: unknown): StoredEvent {
  const { revision, text } = rowSchema.parse(row);
  return { event: eventSchema.parse(parseJson(text)), revision };
}
