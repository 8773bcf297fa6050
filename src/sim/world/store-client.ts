import { assert } from "../../base/assert.ts";
import { backoffMs } from "../../base/backoff.ts";
import { later, type Revision, type StoreKey } from "../../model/ids.ts";
import type { CommitEnd, SnapshotEnd, Store, Transaction, WatchEvent } from "../../ports/store.ts";
import type { MemoryStore } from "../memory-store.ts";
import type { Commit, History } from "./history.ts";
import type { Members } from "./members.ts";
import type { Network } from "./network.ts";
import type { Life } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

/** What the client of one process rests on, and where it is watched. */
export type ClientDeps = {
  readonly host: number;
  readonly life: Life;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly members: Members;
  readonly memory: MemoryStore;
  readonly history: History;
  readonly voters: readonly number[];
  readonly works: (host: number) => boolean;
  /** Extra milliseconds by which this host's watch lags. */
  readonly watchLagMs: () => number;
  /** Nothing of this process gets through, in either direction. */
  readonly blocked: () => boolean;
  /** Called right before and after a transaction is applied, with its end; for the ground truth. */
  readonly around: (transaction: Transaction, apply: () => CommitEnd) => CommitEnd;
  readonly asked: (transaction: Transaction, by: 1 | -1) => void;
  /** This process hears that something was committed. */
  readonly heard: (by: "watch" | "commit") => void;
};

const snapshotMs = 3_000;
/** A member that did not answer is not asked again for this long, while another can be reached. */
const suspectMs = 3_000;
/** A watch that hears nothing although others do changes its member after this. */
const watchIdleMs = 1_500;

/** One process's connection to the store: a member at a time, the local one first. */
export class StoreClient implements Store {
  readonly deps: ClientDeps;
  readonly #suspects = new Map<number, number>();
  #via: number | undefined;

  constructor(deps: ClientDeps) {
    this.deps = deps;
  }

  /** The member in use; another where it failed. Undefined: none can be reached. */
  via(): number | undefined {
    if (this.#via !== undefined && !this.#isSuspect(this.#via)) return this.#via;
    const { host, voters, network, works } = this.deps;
    const order = voters.includes(host) ? [host, ...voters.filter((other) => other !== host)] : voters;
    const usable = order.filter((other) => works(other) && network.connects(host, other));
    this.#via = usable.find((other) => !this.#isSuspect(other)) ?? usable[0];
    return this.#via;
  }

  suspect(member: number): void {
    this.#suspects.set(member, this.deps.scheduler.now + suspectMs);
    if (this.#via === member) this.#via = undefined;
  }

  #isSuspect(member: number): boolean {
    return (this.#suspects.get(member) ?? 0) > this.deps.scheduler.now;
  }

  commit(transaction: Transaction, timeoutMs: number, done: (end: CommitEnd) => void): void {
    const { memory, around, asked } = this.deps;
    asked(transaction, 1);
    this.#call<CommitEnd>({
      timeoutMs,
      write: true,
      perform: () => {
        let end: CommitEnd = { kind: "unknown", cause: "not applied" };
        around(transaction, () => {
          memory.commit(transaction, timeoutMs, (result) => {
            end = result;
          });
          return end;
        });
        return end;
      },
      // Whether the store takes it or refuses it, nobody is told.
      repeat: () => {
        around(transaction, () => {
          memory.commit(transaction, timeoutMs, () => {});
          return { kind: "unknown", cause: "a copy" };
        });
      },
      failed: (cause) => ({ kind: "unknown", cause }),
      done: (end) => {
        asked(transaction, -1);
        if (end.kind === "committed" || findsItself(transaction, end)) this.deps.heard("commit");
        done(end);
      },
    });
  }

  snapshot(prefix: StoreKey, done: (end: SnapshotEnd) => void): void {
    this.#call<SnapshotEnd>({
      timeoutMs: snapshotMs,
      write: false,
      perform: () => {
        let end: SnapshotEnd = { kind: "unknown", cause: "not read" };
        this.deps.memory.snapshot(prefix, (result) => {
          end = result;
        });
        return end;
      },
      failed: (cause) => ({ kind: "unknown", cause }),
      done,
    });
  }

  watch(prefix: StoreKey, after: Revision, listen: (event: WatchEvent) => void): () => void {
    assert(prefix === "/", () => `Cannot watch ${prefix} here: the daemon watches everything`);
    const stream = new WatchStream(this, after, listen);
    return () => stream.stop();
  }

  #call<End>(call: {
    readonly timeoutMs: number;
    readonly write: boolean;
    readonly perform: () => End;
    /** What a copy of the request does that reached the store as well. */
    readonly repeat?: () => void;
    readonly failed: (cause: string) => End;
    readonly done: (end: End) => void;
  }): void {
    const { life, members, host } = this.deps;
    const via = this.via();
    let open = true;
    const finish = (end: End): void => {
      if (!open) return;
      open = false;
      cancel();
      call.done(end);
    };
    const cancel = life.clock.wakeAt(later(life.clock.now(), call.timeoutMs), () => {
      if (via !== undefined) this.suspect(via);
      finish(call.failed("no answer in time"));
    });
    if (via === undefined || this.deps.blocked()) return;
    let result: End | undefined;
    members.send({
      from: host,
      via,
      write: call.write,
      apply: () => {
        if (result === undefined) result = call.perform();
        else call.repeat?.();
      },
      answer: () => {
        const end = result ?? call.failed("lost");
        life.post(() => finish(end));
      },
      reject: (cause) => life.post(() => finish(call.failed(cause))),
    });
  }
}

/** One watch: what was committed, in order, once; it stalls with its member and goes on with the backlog. */
class WatchStream {
  readonly #client: StoreClient;
  readonly #listen: (event: WatchEvent) => void;
  #sent: Revision;
  #lastAt = 0;
  #via: number | undefined;
  #stalledAt: number | undefined;
  #attempt = 0;
  #stopped = false;
  readonly #off: () => void;

  constructor(client: StoreClient, after: Revision, listen: (event: WatchEvent) => void) {
    this.#client = client;
    this.#sent = after;
    this.#listen = listen;
    const { history } = client.deps;
    this.#via = client.via();
    this.#off = history.onCommit((commit) => this.#take(commit));
    this.#stalledAt = client.deps.scheduler.now;
    this.#resume();
  }

  stop(): void {
    this.#stopped = true;
    this.#off();
  }

  #flows(): boolean {
    const { network, members, works, host, blocked } = this.#client.deps;
    const via = this.#via;
    if (via === undefined || !works(via) || !network.passes(via, host) || blocked()) return false;
    return members.leader === undefined || network.connects(via, members.leader);
  }

  #take(commit: Commit): void {
    if (this.#stopped) return;
    if (this.#client.deps.life.ended) {
      this.stop();
      return;
    }
    if (this.#stalledAt !== undefined) return;
    if (this.#flows()) {
      this.#sent = commit.revision;
      this.#deliver({ kind: "changes", changes: commit.changes, revision: commit.revision });
      return;
    }
    this.#stalledAt = this.#client.deps.scheduler.now;
    this.#again();
  }

  #again(): void {
    const waitMs = backoffMs(this.#attempt, 100, 1_000);
    this.#attempt += 1;
    this.#client.deps.scheduler.after(waitMs, () => this.#resume());
  }

  #resume(): void {
    const { scheduler, life, history } = this.#client.deps;
    if (this.#stopped || this.#stalledAt === undefined) return;
    if (life.ended) {
      this.stop();
      return;
    }
    if (scheduler.now - this.#stalledAt > watchIdleMs) {
      if (this.#via !== undefined) this.#client.suspect(this.#via);
      this.#via = this.#client.via();
    }
    if (!this.#flows()) {
      this.#again();
      return;
    }
    this.#stalledAt = undefined;
    this.#attempt = 0;
    if (this.#sent < history.compacted) {
      this.stop();
      this.#deliver({ kind: "compacted" });
      return;
    }
    const backlog = history.after(this.#sent);
    const last = backlog.at(-1);
    if (last === undefined) return;
    this.#sent = last.revision;
    this.#deliver({ kind: "changes", changes: backlog.flatMap((commit) => commit.changes), revision: last.revision });
  }

  #deliver(event: WatchEvent): void {
    const { scheduler, network, life, host, watchLagMs } = this.#client.deps;
    const ms = 0.3 + network.delayMs(this.#via ?? host, host) + watchLagMs();
    this.#lastAt = Math.max(this.#lastAt, scheduler.now + ms);
    const compacted = event.kind === "compacted";
    scheduler.at(this.#lastAt, () =>
      life.post(() => {
        if (!compacted && this.#stopped) return;
        if (!compacted) this.#client.deps.heard("watch");
        this.#listen(event);
      }),
    );
  }
}

/** What it was to write is there already: an earlier attempt was committed, and this answer is the store's word for it. */
function findsItself({ writes }: Transaction, end: CommitEnd): boolean {
  if (end.kind !== "refused") return false;
  return end.found.some(({ key, text }) =>
    writes.some((write) => write.kind === "put" && write.key === key && write.text === text),
  );
}
