import { event } from "../core/decision.ts";
import { hashOf } from "../core/events.ts";
import { limits } from "../core/limits.ts";
import { type HostId, type InstantMs, later } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { type Event, type EventDraft, systemActor } from "../model/records.ts";
import type { CommitterEnd, Compare, Transaction, Write } from "../model/transaction.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommitWithEvents } from "../ports/committer.ts";
import type { Random } from "../ports/random.ts";
import type { CommitEnd, Store } from "../ports/store.ts";
import { isTooLarge, transactionOpsMax } from "../ports/store-rules.ts";

type Waiting = {
  readonly transaction: Transaction;
  readonly events: readonly EventDraft[];
  readonly done: (end: CommitterEnd) => void;
  /** Waiting longer than this for its turn it is not sent any more; nor is it sent twice. */
  readonly onceUntil: InstantMs | null;
};

/** How long an unknown outcome is asked again before it is passed on as unknown. */
const insistMs = 10_000;

/**
 * Writes transactions together with the events that tell of them, hash-chained per host and boot. One at a time, because
 * each event names the one before it; the event's key, which must be absent, also makes a repetition after an unknown
 * outcome harmless: it either finds its own event or happens once.
 */
export function createCommitter(deps: {
  readonly host: HostId;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly digest: (text: string) => string;
}): CommitWithEvents {
  const waiting: Waiting[] = [];
  let chain = { boot: deps.random.hex(8), seq: 0, previous: "" };
  let running = false;

  function next(): void {
    const job = waiting.shift();
    running = job !== undefined;
    if (job === undefined) return;
    const now = deps.clock.now();
    if (job.onceUntil !== null && now > job.onceUntil) {
      job.done({ kind: "unknown", cause: "its moment was over before its turn came" });
      next();
      return;
    }
    const events = chained(job.events);
    const transaction = withEvents(job.transaction, events);
    if (isTooLarge(transaction)) {
      giveUp(job, transaction);
      return;
    }
    attempt(transaction, job.onceUntil === null ? later(now, insistMs) : now, (end) => {
      const last = events.at(-1);
      if (end.kind === "committed" && last !== undefined) {
        chain = { ...chain, seq: last.seq, previous: hashOf(last, deps.digest) };
      }
      // Whether the events stand is not known, or an attempt given up as refused came after all and holds a number: a new
      // chain begins, so that none can come twice and none is refused for ever.
      if (end.kind === "unknown" || isTaken(events, end))
        chain = { boot: deps.random.hex(8), seq: 0, previous: chain.previous };
      job.done(end);
      next();
    });
  }

  /** One decision that no store takes must not end the process that decides about all the others. */
  function giveUp(job: Waiting, { compares, writes }: Transaction): void {
    const [about] = job.events;
    const sizes = { compares: compares.length, writes: writes.length, most: transactionOpsMax };
    const params = { about: about?.type ?? "-", ...sizes };
    // A person is told by the answer.
    if (about?.actor.role === systemActor.role) {
      const told = { ...event("transaction-too-large", {}, params), subjects: about.subjects };
      waiting.unshift({ transaction: nothing, events: [told], done: () => undefined, onceUntil: null });
    }
    job.done({ kind: "too-large", params });
    next();
  }

  function chained(drafts: readonly EventDraft[]): Event[] {
    let { seq, previous } = chain;
    return drafts.map((draft) => {
      seq += 1;
      const event: Event = {
        schema: 1,
        host: deps.host,
        boot: chain.boot,
        seq,
        ...draft,
        at: deps.clock.wall(),
        previous,
      };
      previous = hashOf(event, deps.digest);
      return event;
    });
  }

  function attempt(transaction: Transaction, until: InstantMs, done: (end: CommitEnd) => void): void {
    deps.store.commit(transaction, limits.commitTimeoutMs, (end) => {
      if (end.kind !== "unknown") {
        done(end.kind === "refused" ? ownEventFound(transaction, end) : end);
        return;
      }
      const now = deps.clock.now();
      if (now >= until) done(end);
      else deps.clock.wakeAt(later(now, limits.tickMs), () => attempt(transaction, until, done));
    });
  }

  return (transaction, events, done, once = false) => {
    if (events.length === 0 && !isTooLarge(transaction)) {
      deps.store.commit(transaction, limits.commitTimeoutMs, done);
      return;
    }
    waiting.push({ transaction, events, done, onceUntil: once ? later(deps.clock.now(), limits.tickMs) : null });
    if (!running) next();
  };
}

const nothing: Transaction = { compares: [], writes: [] };

function withEvents(transaction: Transaction, events: readonly Event[]): Transaction {
  const writes: Write[] = [...transaction.writes];
  const compares: Compare[] = [...transaction.compares];
  for (const event of events) {
    const key = keys.event(event.host, event.boot, event.seq);
    writes.push({ kind: "put", key, text: JSON.stringify(event) });
    compares.push({ kind: "absent", key });
  }
  return { compares, writes };
}

/** Refused, and one of its events' numbers bears another event. */
function isTaken(events: readonly Event[], end: CommitEnd): boolean {
  const own = new Set(events.map((event) => keys.event(event.host, event.boot, event.seq)));
  return end.kind === "refused" && end.found.some((found) => own.has(found.key));
}

/** Refused because its own event is there already: an earlier attempt, whose answer was lost, had been committed. */
function ownEventFound(transaction: Transaction, end: CommitEnd & { kind: "refused" }): CommitEnd {
  const own = new Map(transaction.writes.flatMap((write) => (write.kind === "put" ? [[write.key, write.text]] : [])));
  const absent = transaction.compares.filter((compare) => compare.kind === "absent").map((compare) => compare.key);
  for (const found of end.found) {
    if (found.key.startsWith("/events/") && absent.includes(found.key) && own.get(found.key) === found.text) {
      return { kind: "committed", revision: found.revision };
    }
  }
  return end;
}
