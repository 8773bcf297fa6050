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

export type OpenJournal = Journal & { readonly close: () => void };
export type OpenJournalEnd =
  | { readonly kind: "open"; readonly journal: OpenJournal }
  | {
      readonly kind: "refused";
      readonly code: "journal-unreadable" | "journal-too-new";
      readonly params: { readonly path: string; readonly cause: string };
    };

/**
 * Opens or makes this host's own copy of the history. It checks nothing: `verifyChain` does, for whoever asks. Events
 * that cannot be written (a full disk) are kept in memory and written with the next ones; `onTrouble` is told.
 */
export function openJournal(path: string, onTrouble: (cause: string) => void): OpenJournalEnd {
  try {
    const db = new DatabaseSync(path);
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000;");
    const found = versionSchema.parse(db.prepare("PRAGMA user_version").get()).user_version;
    if (found > layoutVersion) {
      db.close();
      return { kind: "refused", code: "journal-too-new", params: { path, cause: String(found) } };
    }
    db.exec(`${layout} PRAGMA user_version = ${layoutVersion};`);
    return { kind: "open", journal: journalOn(db, onTrouble) };
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return { kind: "refused", code: "journal-unreadable", params: { path, cause } };
  }
}

function journalOn(db: DatabaseSync, onTrouble: (cause: string) => void): OpenJournal {
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
      onTrouble(error instanceof Error ? error.message : String(error));
    }
  };
  return {
    add,
    read: (filter) => readPage(db, filter),
    last: () => (newestSchema.parse(newest.get()).revision ?? noRevision) as Revision,
    close: () => db.close(),
  };
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
