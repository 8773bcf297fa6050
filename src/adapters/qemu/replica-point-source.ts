import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterId, WallMs } from "../../model/ids.ts";
import { type Consistency, isBranch, type WhyCrash } from "../../model/point-records.ts";
import { refuse } from "../../model/reason.ts";
import type { GuestFreezer } from "../../ports/guest-freeze.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import type { PointEnd, PointRequest, PointSource } from "../../ports/replication-points.ts";
import { errorWords } from "../error-words.ts";
import { knockAt, type PointOrder, type TlsTexts } from "./door.ts";
import { readTlsTexts } from "./move-tls.ts";
import type { QemuReplicaSource } from "./replica-source.ts";

export type PointSourceOptions = {
  readonly cluster: ClusterId;
  readonly certificates?: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly source: QemuReplicaSource;
  readonly freezer: GuestFreezer;
};

const limits = {
  /** Making overlays, and what is merged there. */
  prepareMs: 15_000,
  /** Within the second for which a bar holds. */
  takeMs: 900,
  /** A guest's file systems stand still for so long at most. */
  freezeMs: 3_000,
  keepMs: 1_500,
  keepTries: 5,
  keepRetryMs: 200,
} as const;

/** `problem` of an answer; `silent`: whether it was carried out is not known. */
type Told =
  | { readonly kind: "done"; readonly at: number | null }
  | { readonly kind: "no" | "silent"; readonly why: string };

/** Whether the guest stood still all the while; an object: it was to, and did not. */
type Stood = "stood" | "unasked" | WhyCrash;

/** Points by the word of the host of the run, which holds the writes meanwhile (S20). */
export function openPointSource(options: PointSourceOptions): PointSource {
  return {
    takePoint: (run, request, done) => {
      const unknown = (error: unknown): PointEnd => ({ kind: "unknown", cause: errorWords(error) });
      void take(options, run, request).catch(unknown).then(done);
    },
  };
}

async function take(options: PointSourceOptions, run: VmRun, request: PointRequest): Promise<PointEnd> {
  const { vm } = run;
  const tls = request.tls ? readTlsTexts(options) : null;
  if (tls === undefined) return refuse("replica-no-certificate", { vm });
  const attempt = new Attempt(options, run, request, tls);
  return isLast(request.origin) ? attempt.keepLast() : attempt.go();
}

/** What the copies hold, as they lie. */
function isLast(origin: PointRequest["origin"]): boolean {
  return origin === "resync" || isBranch(origin);
}

class Attempt {
  readonly #options: PointSourceOptions;
  readonly #run: VmRun;
  readonly #request: PointRequest;
  readonly #tls: TlsTexts | null;

  constructor(options: PointSourceOptions, run: VmRun, request: PointRequest, tls: TlsTexts | null) {
    this.#options = options;
    this.#run = run;
    this.#request = request;
    this.#tls = tls;
  }

  async keepLast(): Promise<PointEnd> {
    const end = await this.#order("keep-last", "crash", limits.prepareMs);
    if (end.kind === "done") return { kind: "taken", at: (end.at ?? 0) as WallMs, consistency: "crash", stoodMs: 0 };
    return end.kind === "no" ? this.#refused(end.why) : { kind: "unknown", cause: end.why };
  }

  async go(): Promise<PointEnd> {
    const { source } = this.#options;
    const run = this.#run;
    // S20: what the relay refused since in sync was recorded is missing there.
    const before = source.relayWord(run);
    if (before === undefined) return refuse("replica-not-attached", { vm: run.vm });
    const prepared = await this.#order("prepare", "crash", limits.prepareMs);
    if (prepared.kind !== "done") return this.#refused(prepared.why);
    const whyNot = await this.#freeze();
    const held = await this.#whileHeld(before);
    const whyCrash = whyNot ?? (await this.#thaw());
    if (typeof held === "string") {
      await this.#order("drop", "crash", limits.keepMs);
      return this.#refused(held);
    }
    return this.#keep(whyCrash, held.stoodMs);
  }

  /** A text: it is no point, and why. */
  async #whileHeld(before: string): Promise<string | { readonly stoodMs: number }> {
    const { source } = this.#options;
    const began = performance.now();
    const barred = await told((done) => source.bar(this.#run, done));
    if (barred.kind !== "done") return wordsOf(barred);
    const taken = await this.#order("take", "crash", limits.takeMs);
    const end = await told((done) => source.unbar(this.#run, done));
    const stoodMs = Math.round(performance.now() - began);
    if (taken.kind !== "done") return taken.why;
    if (end.kind !== "done") return wordsOf(end);
    return source.relayWord(this.#run) === before ? { stoodMs } : "the copy was left behind meanwhile";
  }

  /** From the first answer on that it is kept it is a point; without any it may be one. */
  async #keep(whyCrash: Stood, stoodMs: number): Promise<PointEnd> {
    const consistency: Consistency = whyCrash === "stood" ? "application" : "crash";
    const told = typeof whyCrash === "object" ? { whyCrash } : {};
    let why = "";
    for (let left = limits.keepTries; left > 0; left--) {
      const end = await this.#order("keep", consistency, limits.keepMs);
      if (end.kind === "done") return { kind: "taken", at: (end.at ?? 0) as WallMs, consistency, stoodMs, ...told };
      if (end.kind === "no") return this.#refused(end.why);
      ({ why } = end);
      await sleep(limits.keepRetryMs);
    }
    return { kind: "unknown", cause: why };
  }

  /** Undefined: it stands still. */
  async #freeze(): Promise<"unasked" | WhyCrash | undefined> {
    if (this.#request.consistency === "crash") return "unasked";
    return this.#whyNot(await told((done) => this.#options.freezer.freeze(this.#run, limits.freezeMs, done)));
  }

  async #thaw(): Promise<"stood" | WhyCrash> {
    return this.#whyNot(await told((done) => this.#options.freezer.thaw(this.#run, done))) ?? "stood";
  }

  #whyNot(end: HypervisorEnd): WhyCrash | undefined {
    if (end.kind === "done") return undefined;
    return end.kind === "refused"
      ? { code: end.code, params: end.params }
      : { code: "freeze-unanswered", params: { vm: this.#run.vm } };
  }

  /** At the first door that answers. */
  async #order(order: PointOrder["order"], consistency: Consistency, limitMs: number): Promise<Told> {
    const { doors, to, id, origin } = this.#request;
    const { vm, epoch } = this.#run;
    const { cluster } = this.#options;
    const point = { order, id, origin, consistency };
    const signal = AbortSignal.timeout(limitMs);
    let why = "none of its addresses answers";
    for (const door of doors) {
      const answer = await knockAt(
        door,
        { cluster, vm, epoch, point },
        { tls: this.#tls, to, limitMs: Math.ceil(limitMs / doors.length), signal },
      );
      if ("problem" in answer && "at" in answer)
        return answer.problem === null ? { kind: "done", at: answer.at } : { kind: "no", why: answer.problem };
      if ("no" in answer) why = answer.no;
    }
    return { kind: "silent", why };
  }

  #refused(detail: string): PointEnd {
    return refuse("replica-point-failed", { vm: this.#run.vm, detail });
  }
}

function told(call: (done: (end: HypervisorEnd) => void) => void): Promise<HypervisorEnd> {
  return new Promise(call);
}

function wordsOf(end: HypervisorEnd): string {
  if (end.kind === "refused") return String(end.params["detail"] ?? end.code);
  return end.kind === "unknown" ? end.cause : "";
}
