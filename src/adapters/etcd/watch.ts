import type { ClientDuplexStream } from "@grpc/grpc-js";
import { backoffMs } from "../../base/backoff.ts";
import type { Revision, StoreKey } from "../../model/ids.ts";
import type { Change, WatchEvent } from "../../ports/store.ts";
import type { Endpoint } from "./endpoint.ts";
import { limits } from "./limits.ts";
import type { Pool } from "./pool.ts";
import { rpc, type WatchRequest, type WatchResponse } from "./rpc.ts";

type Stream = ClientDuplexStream<WatchRequest, WatchResponse>;
type Listen = (event: WatchEvent) => void;

/** Where a watch reads: keys of the store as etcd has them, and what is cut off before a key goes to the listener. */
export type WatchRange = { readonly key: string; readonly rangeEnd: string; readonly root: string };

/**
 * One watch on one stream of its own. It lives through the loss of members: each new stream goes on after the
 * last delivered revision. The revisions of progress answers are never taken for that: etcd 3.4 may send them ahead of
 * changes that are still under way.
 */
export class Watch {
  readonly #pool: Pool;
  readonly #range: WatchRange;
  readonly #listen: Listen;
  #last: number;
  #stream: Stream | undefined;
  #endpoint: Endpoint | undefined;
  #fragments: Change[] = [];
  #heardAt = 0;
  #silence: NodeJS.Timeout | undefined;
  #newestAtAsk = 0;
  #lagging = false;
  #attempt = 0;
  #cancelWait: () => void = () => {};
  #stopped = false;

  constructor(pool: Pool, range: WatchRange, after: Revision, listen: Listen) {
    this.#pool = pool;
    this.#range = range;
    this.#last = after;
    this.#listen = listen;
    this.#start();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelWait();
    this.#drop();
  }

  #start(): void {
    if (this.#stopped || this.#pool.closed()) return;
    const endpoint = this.#pool.pick();
    if (endpoint === undefined) {
      this.#cancelWait = this.#pool.whenUsable(limits.rewatchIdleMs, () => this.#start());
      return;
    }
    const stream = endpoint.stream(rpc.watch);
    this.#stream = stream;
    this.#endpoint = endpoint;
    this.#lagging = false;
    this.#newestAtAsk = 0;
    this.#heardAt = performance.now();
    this.#listenFor(limits.watchAskMs);
    stream.on("data", (response: WatchResponse) => {
      if (stream === this.#stream) this.#take(response);
    });
    // A cancelled stream ends with an error, too: the listener stays on and finds that the stream is no longer ours.
    stream.on("error", (error: Error) => {
      if (stream === this.#stream) this.#again(error.message);
    });
    stream.on("end", () => {
      if (stream === this.#stream) this.#again("the stream ended");
    });
    // From the last delivered revision, not from the one after it, and dropped again in #changes: etcd before 3.4.36 says
    // nothing where a compaction ended exactly at the first wanted revision, and then a deletion at it is lost.
    const startRevision = String(Math.max(this.#last, 1));
    const { key, rangeEnd } = this.#range;
    stream.write({ createRequest: { key, rangeEnd, startRevision } });
  }

  #drop(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#fragments = [];
    clearTimeout(this.#silence);
    stream?.cancel();
  }

  #again(why: string): void {
    this.#pool.log(`store watch of ${this.#range.key} on ${this.#endpoint?.address}: ${why}`);
    if (this.#endpoint?.ready() === true) this.#endpoint.suspect();
    this.#drop();
    const waitMs = this.#attempt === 0 ? 0 : backoffMs(this.#attempt - 1, limits.rewatchFirstMs, limits.rewatchMaxMs);
    this.#attempt += 1;
    const timer = setTimeout(() => this.#start(), waitMs);
    this.#cancelWait = () => clearTimeout(timer);
  }

  #take(response: WatchResponse): void {
    this.#heardAt = performance.now();
    if (response.canceled) {
      this.#canceled(response);
      return;
    }
    this.#attempt = 0;
    if (response.events.length > 0) this.#changes(response);
    else if (!response.created) this.#progress(Number(response.header?.revision ?? 0));
  }

  #canceled(response: WatchResponse): void {
    if (response.compactRevision === "0") {
      this.#again(`cancelled by etcd: ${response.cancelReason || "no reason"}`);
      return;
    }
    this.stop();
    this.#listen({ kind: "compacted" });
  }

  #changes(response: WatchResponse): void {
    for (const event of response.events) {
      const revision = Number(event.kv.modRevision) as Revision;
      // A change that came twice would be a second decision.
      if (revision <= this.#last) continue;
      const key = event.kv.key.slice(this.#range.root.length) as StoreKey;
      this.#fragments.push(
        event.type === "PUT" ? { kind: "put", key, text: event.kv.value, revision } : { kind: "delete", key, revision },
      );
    }
    // The rest of a large response follows; the changes of one transaction are handed on together.
    if (response.fragment) return;
    const changes = this.#fragments;
    this.#fragments = [];
    const revision = changes.at(-1)?.revision;
    if (revision === undefined) return;
    this.#last = revision;
    this.#pool.noteRevision(revision);
    this.#listen({ kind: "changes", changes, revision });
  }

  /** Two progress answers behind what others told before they were asked: this member is cut off and does not know it. */
  #progress(revision: number): void {
    const lags = revision < this.#newestAtAsk;
    if (lags && this.#lagging) this.#again(`it lags behind: ${revision} < ${this.#newestAtAsk}`);
    else this.#lagging = lags;
  }

  /** One timer that comes when silence may have lasted too long, not one for each word. */
  #listenFor(ms: number): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      const silentMs = performance.now() - this.#heardAt;
      // Timers may fire a fraction of a millisecond early.
      if (silentMs < limits.watchAskMs - 1) this.#listenFor(limits.watchAskMs - silentMs);
      else this.#ask();
    }, ms);
  }

  #ask(): void {
    const heardAt = this.#heardAt;
    this.#newestAtAsk = this.#pool.newestRevision();
    this.#stream?.write({ progressRequest: {} });
    this.#silence = setTimeout(() => {
      // This process may have been held up itself: it reads what has arrived meanwhile before it judges.
      setImmediate(() => {
        if (this.#stream === undefined) return;
        if (this.#heardAt === heardAt) this.#again("silent for too long");
        else this.#listenFor(limits.watchAskMs);
      });
    }, limits.watchAskMs);
  }
}
