import { boundedTls, type TlsTexts } from "./credentials.ts";
import { type CallEnd, type Endpoint, openEndpoint } from "./endpoint.ts";
import type { Failure } from "./failure.ts";
import { limits } from "./limits.ts";
import type { Method } from "./rpc.ts";

export type PoolOptions = {
  /** `host:port` or `https://host:port`, in order of preference: the local member first. */
  readonly endpoints: readonly string[];
  readonly tls: TlsTexts;
  readonly log?: ((line: string) => void) | undefined;
};

/** `never-taken`: goes to another member only where the first provably has not taken it up. */
export type Repeat = "never-taken" | "always";

/** The members of the store and the choice between them. */
export interface Pool {
  readonly endpoints: readonly Endpoint[];
  /** The preferred connected member outside `not`; a suspect only where no other is left. */
  pick(not?: ReadonlySet<Endpoint>): Endpoint | undefined;
  /** Asks one member after the other until one answers, one refuses for good, or the time is over. */
  call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: { readonly timeoutMs: number; readonly attemptMs: number; readonly repeat: Repeat },
    done: (end: CallEnd<Response>) => void,
  ): void;
  /** Calls `wake` once: when a member becomes usable, or after `timeoutMs`. Returns the cancel. */
  whenUsable(timeoutMs: number, wake: () => void): () => void;
  /** The newest revision that any member has told: one that lags behind it for long is cut off from the others. */
  newestRevision(): number;
  noteRevision(revision: number): void;
  log(line: string): void;
  close(): void;
  closed(): boolean;
}

/** `https://h:1` → `h:1`. Throws where the text is no address with a port. */
export function addressOf(endpoint: string): { readonly address: string; readonly host: string } {
  const address = endpoint.replace(/^https:\/\//u, "").replace(/\/$/u, "");
  const parts = /^(?:\[([0-9a-f:.]+)\]|([^:/[\]]+)):(\d{1,5})$/iu.exec(address);
  const host = parts?.[1] ?? parts?.[2];
  if (host === undefined) {
    throw new Error(`Cannot use store endpoint ${JSON.stringify(endpoint)}: expected https://HOST:PORT`);
  }
  return { address, host };
}

/** Throws for endpoints and PEM texts that are none: a configuration must be checked before. */
export function openPool(options: PoolOptions): Pool {
  return new MemberPool(options);
}

class MemberPool implements Pool {
  readonly endpoints: readonly Endpoint[];
  readonly #log: (line: string) => void;
  readonly #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #newest = 0;

  constructor(options: PoolOptions) {
    this.#log = options.log ?? (() => {});
    const events = {
      ready: () => this.#usable(),
      uneasy: () => this.#watchOver(),
      log: (line: string) => this.log(line),
    };
    this.endpoints = options.endpoints.map((endpoint) => {
      const { address, host } = addressOf(endpoint);
      return openEndpoint(address, boundedTls(options.tls, host), events);
    });
    this.#watchOver();
  }

  pick(not?: ReadonlySet<Endpoint>): Endpoint | undefined {
    let suspect: Endpoint | undefined;
    for (const endpoint of this.endpoints) {
      if (!endpoint.ready() || not?.has(endpoint)) continue;
      const since = endpoint.suspectSince();
      if (since === undefined) return endpoint;
      if (suspect === undefined || since < (suspect.suspectSince() ?? 0)) suspect = endpoint;
    }
    return suspect;
  }

  call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: { readonly timeoutMs: number; readonly attemptMs: number; readonly repeat: Repeat },
    done: (end: CallEnd<Response>) => void,
  ): void {
    const endsAt = performance.now() + options.timeoutMs;
    const asked = new Set<Endpoint>();
    let last: Failure | undefined;
    const attempt = (): void => {
      const leftMs = endsAt - performance.now();
      if (leftMs < 1 || this.#closed) {
        done({ kind: "failed", failure: last ?? this.#notConnected() });
        return;
      }
      const endpoint = this.pick(asked);
      if (endpoint === undefined) {
        // Every connected member was asked: the next round comes after a pause; nobody is connected: when one is.
        const pauseMs = asked.size > 0 ? Math.min(leftMs, limits.roundPauseMs) : leftMs;
        asked.clear();
        this.whenUsable(pauseMs, attempt);
        return;
      }
      endpoint.call(method, request, Math.min(leftMs, options.attemptMs), (end) => {
        if (end.kind === "answer") return done(end);
        const again =
          end.failure.kind === "not-taken" || (options.repeat === "always" && end.failure.kind === "unknown");
        if (!again) return done(end);
        asked.add(endpoint);
        last = { ...end.failure, detail: `${endpoint.address}: ${end.failure.detail}` };
        attempt();
      });
    };
    attempt();
  }

  whenUsable(timeoutMs: number, wake: () => void): () => void {
    const cancel = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(once);
    };
    const once = (): void => {
      cancel();
      wake();
    };
    const timer = setTimeout(once, timeoutMs);
    this.#waiting.add(once);
    return cancel;
  }

  newestRevision(): number {
    return this.#newest;
  }

  noteRevision(revision: number): void {
    if (revision > this.#newest) this.#newest = revision;
  }

  log(line: string): void {
    if (!this.#closed) this.#log(line);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const endpoint of this.endpoints) endpoint.close();
    this.#usable();
  }

  closed(): boolean {
    return this.#closed;
  }

  /** Ticks until every member is connected and trusted. */
  #watchOver(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      for (const endpoint of this.endpoints) endpoint.tick();
      if (this.endpoints.some((endpoint) => !endpoint.ready() || endpoint.suspectSince() !== undefined)) {
        this.#watchOver();
      }
    }, limits.tickMs);
  }

  #usable(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #notConnected(): Failure {
    if (this.#closed) return { kind: "not-taken", word: "not-connected", detail: "the store client was closed" };
    const each = this.endpoints.map((endpoint) => `${endpoint.address}: ${endpoint.trouble()}`);
    return { kind: "not-taken", word: "not-connected", detail: each.join("; ") };
  }
}
