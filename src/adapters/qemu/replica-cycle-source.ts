import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Epoch, Incarnation, VmId, WallMs } from "../../model/ids.ts";
import { refuse } from "../../model/reason.ts";
import { type CycleId, isSameCycle, type SealedCycle } from "../../model/replication-cycle.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import type { CycleEnd, CycleRequest, CycleSource } from "../../ports/replication-cycles.ts";
import type { RelayConfig, RelayState } from "../nbd/relay-control.ts";
import { type CycleOrder, knockAt } from "./door.ts";
import { readTlsTexts } from "./move-tls.ts";
import type { Qmp } from "./qmp.ts";
import {
  beginJobs,
  type CycleNames,
  cycleNames,
  forgetBut,
  isNotedSince,
  jobsEnded,
  type Noted,
  notedWrites,
  openNodes,
  removeJobs,
  removeNodes,
} from "./replica-cycle-jobs.ts";
import { mergingProblem } from "./replica-cycles.ts";
import { RelayKeeper, readRelayConfig, writeRelayConfig } from "./replica-relay.ts";
import type { ReplicaSourceOptions } from "./replica-source.ts";

/** `close` lets go of everything; a cycle that is under way is broken off by the next driver's first one. */
export interface QemuCycleSource extends CycleSource {
  close(): void;
}

const limits = {
  knockMs: 4_000,
  connectMs: 5_000,
  /** Until it is known that a cycle is sealed: what is merged there meanwhile may take as long. */
  sealMs: 30_000,
  sealRetryMs: 100,
} as const;
const mebibyte = 1024 * 1024;

/** One run with its relay, which outlives its cycles and this driver. */
type Cycled = {
  readonly run: VmRun;
  readonly folder: string;
  readonly keeper: RelayKeeper;
  readonly config: RelayConfig;
  isUnderWay: boolean;
};
type Source = { readonly options: ReplicaSourceOptions; readonly runs: Map<string, Cycled> };

export function openCycleSource(options: ReplicaSourceOptions): QemuCycleSource {
  const source: Source = { options, runs: new Map() };
  takeUp(source);
  return {
    cycle: (run, request, done) => {
      const unknown = (error: unknown): CycleEnd => ({ kind: "unknown", cause: String(error) });
      void cycle(source, run, request).catch(unknown).then(done);
    },
    endCycles: (run, done) => {
      const unknown = (error: unknown): HypervisorEnd => ({ kind: "unknown", cause: String(error) });
      void endCycles(source, run).catch(unknown).then(done);
    },
    cycled: () => cycledRuns(options),
    close: () => {
      for (const { keeper } of source.runs.values()) keeper.close();
    },
  };
}

function nameOf(run: VmRun): string {
  return `${run.incarnation}.${run.vm}.${run.epoch}`;
}

async function cycle(source: Source, run: VmRun, request: CycleRequest): Promise<CycleEnd> {
  const { vm } = run;
  const qmp = source.options.qmp(run);
  if (qmp === undefined) return refuse("vm-not-running", { vm });
  if (request.tls && source.options.certificates === undefined) return refuse("replica-no-certificate", { vm });
  const cycled = await keep(source, run, request);
  if (cycled.isUnderWay) return refuse("cycle-under-way", { vm });
  cycled.isUnderWay = true;
  try {
    const attempt = new Attempt(source, cycled, request, qmp);
    const end = await attempt.go();
    return typeof end === "string" ? { ...refuse("cycle-broken", { vm, detail: end }), kind: "broken" } : end;
  } finally {
    cycled.isUnderWay = false;
  }
}

/** A relay for this replica; one that was for another, or for other disks, is ended first. */
async function keep({ options, runs }: Source, run: VmRun, request: CycleRequest): Promise<Cycled> {
  const folder = folderOf(options, run);
  const config: RelayConfig = {
    schema: 1,
    cluster: options.cluster,
    vm: run.vm,
    epoch: run.epoch,
    to: request.to,
    doors: [],
    certificates: request.tls ? (options.certificates ?? null) : null,
    nbd: join(folder, "nbd.sock"),
    control: join(folder, "control.sock"),
    volumes: request.volumes.map(({ volume, sizeMiB }) => ({ volume, sizeBytes: sizeMiB * mebibyte })),
    waitMs: limits.connectMs,
    letsGo: true,
    isEqual: false,
  };
  const known = runs.get(nameOf(run)) ?? recovered(options, run);
  if (known !== undefined && JSON.stringify(known.config) === JSON.stringify(config)) {
    runs.set(nameOf(run), known);
    return known;
  }
  if (known !== undefined && (await known.keeper.open())) await known.keeper.end();
  writeRelayConfig(folder, config);
  const cycled = cycledOf(options, run, config);
  runs.set(nameOf(run), cycled);
  return cycled;
}

function folderOf({ runDir }: ReplicaSourceOptions, run: VmRun): string {
  return join(runDir, "cycles", nameOf(run));
}

/** Their folders stay until they are ended. */
function cycledRuns({ runDir }: ReplicaSourceOptions): readonly VmRun[] {
  const folder = join(runDir, "cycles");
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const [, incarnation, vm, epoch] = /^(\d+)\.(.+)\.(\d+)$/u.exec(name) ?? [];
    if (vm === undefined) return [];
    return [{ vm: vm as VmId, incarnation: Number(incarnation) as Incarnation, epoch: Number(epoch) as Epoch }];
  });
}

/**
 * S25: what QEMU waits for where a relay was lost while no agent was there: one of its guest's writes, or QEMU itself, whose
 * monitor answers nobody as long as it waits.
 */
function takeUp({ options, runs }: Source): void {
  for (const run of cycledRuns(options)) {
    const cycled = recovered(options, run);
    if (cycled === undefined) continue;
    runs.set(nameOf(run), cycled);
    cycled.keeper.takeUp();
  }
}

/** That an earlier agent left. */
function recovered(options: ReplicaSourceOptions, run: VmRun): Cycled | undefined {
  const config = readRelayConfig(folderOf(options, run));
  return config === undefined ? undefined : cycledOf(options, run, config);
}

function cycledOf(options: ReplicaSourceOptions, run: VmRun, config: RelayConfig): Cycled {
  const folder = folderOf(options, run);
  const keeper = new RelayKeeper(options.relay, folder, config, { state: () => undefined, anew: () => undefined });
  return { run, folder, keeper, config, isUnderWay: false };
}

/** One cycle, from the first question to the seal. A text: why there is none; the guest goes on, and nothing is lost of it. */
class Attempt {
  readonly #options: ReplicaSourceOptions;
  readonly #cycled: Cycled;
  readonly #request: CycleRequest;
  readonly #qmp: Qmp;
  readonly #names: readonly CycleNames[];

  constructor({ options }: Source, cycled: Cycled, request: CycleRequest, qmp: Qmp) {
    this.#options = options;
    this.#cycled = cycled;
    this.#request = request;
    this.#qmp = qmp;
    this.#names = request.volumes.map((_, disk) => cycleNames(disk));
  }

  async go(): Promise<CycleEnd | string> {
    const { keeper } = this.#cycled;
    if (!(await keeper.open())) return "its relay does not start";
    if (!(await this.#clear())) return "what an earlier cycle left does not end";
    const asked = await this.#knock({ order: "ask", id: null, at: 0 });
    if (typeof asked === "string") return asked;
    const noted = await notedWrites(this.#qmp, this.#names);
    if (noted === undefined) return "QEMU does not answer";
    const { last } = asked;
    const base = last !== null && isNotedSince(noted, last) ? last : null;
    await forgetBut(this.#qmp, this.#names, noted, base);
    const next = base === null ? { chain: randomBytes(6).toString("hex"), sequence: 1 } : nextOf(base);
    const opened = await this.#knock({ order: "open", id: next, at: 0 });
    if (typeof opened === "string" || opened.problem !== null)
      return typeof opened === "string" ? opened : (opened.problem ?? "");
    const sent = await this.#send(next, noted);
    if (typeof sent === "string") {
      await this.#giveUp(base);
      return sent;
    }
    return this.#seal({ ...next, at: sent.at }, base, sent.bytes / mebibyte);
  }

  /** All that an earlier attempt, or an earlier agent, left under way. */
  async #clear(): Promise<boolean> {
    if (!(await this.#letGo()) || !(await this.#removeJobs())) return false;
    return removeNodes(this.#qmp, this.#names);
  }

  #removeJobs(): Promise<boolean> {
    return removeJobs(this.#qmp, this.#names, servedBy(this.#cycled));
  }

  /** One that hangs is replaced; the next one has let go from its start. */
  async #letGo(): Promise<boolean> {
    const { keeper } = this.#cycled;
    return (await keeper.order({ kind: "let-go" })).kind === "done" || keeper.replace();
  }

  async #giveUp(base: CycleId | null): Promise<void> {
    await this.#clear();
    const noted = await notedWrites(this.#qmp, this.#names);
    if (noted !== undefined) await forgetBut(this.#qmp, this.#names, noted, base);
  }

  /** A text: what went wrong. Otherwise everything is there, and answered; `at`: not later than the moment that it holds. */
  async #send(next: CycleId, noted: readonly Noted[]): Promise<{ at: WallMs; bytes: number } | string> {
    const { keeper, config } = this.#cycled;
    const volumes = this.#request.volumes.map(({ volume }) => volume);
    const unopened = await openNodes(this.#qmp, this.#names, config.nbd, volumes);
    if (unopened !== undefined) return unopened;
    const connected = await keeper.order({ kind: "connect", doors: [...this.#request.doors] }, limits.connectMs);
    if (connected.kind !== "done")
      return connected.kind === "no" ? connected.why : "the replica was not reached in time";
    const before = connected.state;
    const at = Date.now() as WallMs;
    const unbegun = await beginJobs(this.#qmp, this.#names, noted, next, this.#request.mibPerSecond);
    if (unbegun !== undefined) return unbegun;
    const failed = await jobsEnded(this.#qmp, this.#names, () => this.#lostSince(before));
    if (failed !== undefined) return failed;
    if (!(await this.#removeJobs()) || !(await removeNodes(this.#qmp, this.#names))) return "QEMU does not answer";
    const lost = await this.#lostSince(before);
    if (lost !== undefined) return lost;
    return { at, bytes: (keeper.state?.sentBytes ?? before.sentBytes) - before.sentBytes };
  }

  /** S25: QEMU's jobs end well with a peer that was let go as well: only the relay knows. A text: why it counts for nothing. */
  async #lostSince(before: RelayState): Promise<string | undefined> {
    const { keeper } = this.#cycled;
    const told = await keeper.order({ kind: "tell" });
    if (told.kind !== "done") {
      await this.#letGo();
      return "its relay does not answer";
    }
    const { relay, lost, mode, trouble } = told.state;
    const isWhole = relay === before.relay && lost === before.lost && mode === "hold";
    return isWhole ? undefined : (trouble ?? "its relay was lost");
  }

  async #seal(cycle: Omit<SealedCycle, "point">, base: CycleId | null, sentMiB: number): Promise<CycleEnd | string> {
    // What lies open there is closed by the target; here nobody needs it any more.
    await this.#letGo();
    let problem = "it was not asked";
    for (const giveUpAt = performance.now() + limits.sealMs; performance.now() < giveUpAt; ) {
      const { chain, sequence, at } = cycle;
      const end = await this.#knock({ order: "seal", id: { chain, sequence }, at });
      if (typeof end !== "string" && end.problem === null && end.last !== null && isSameCycle(end.last, cycle)) {
        const noted = await notedWrites(this.#qmp, this.#names);
        if (noted !== undefined) await forgetBut(this.#qmp, this.#names, noted, cycle);
        return { kind: "sealed", cycle: end.last, sentMiB, whole: base === null };
      }
      problem = typeof end === "string" ? end : (end.problem ?? "it was sealed as another one");
      // It is there, and says no for good.
      if (typeof end !== "string" && problem !== mergingProblem) {
        await this.#giveUp(base);
        return problem;
      }
      await sleep(limits.sealRetryMs);
    }
    // Both bitmaps stay: whichever cycle the target then says that it has, one of them is right.
    return { kind: "unknown", cause: problem };
  }

  /** The first door that answers. A text: none does, or what it says instead. */
  async #knock(cycle: CycleOrder): Promise<{ problem: string | null; last: SealedCycle | null } | string> {
    const { cluster } = this.#options;
    const { vm, epoch } = this.#cycled.run;
    const { tls, to, doors } = this.#request;
    const texts = tls ? readTlsTexts(this.#options) : null;
    if (texts === undefined) return "this host's certificate cannot be read";
    let why = "no address of the replica is known";
    for (const door of doors) {
      const access = { tls: texts, to, limitMs: limits.knockMs, signal: new AbortController().signal };
      const answer = await knockAt(door, { cluster, vm, epoch, cycle }, access);
      if ("last" in answer) return answer;
      why = "no" in answer ? answer.no : "it does not know cycles";
    }
    return why;
  }
}

function servedBy({ keeper, config }: Cycled): (disk: number) => boolean {
  return (disk) => keeper.serves(config.volumes[disk]?.volume ?? "");
}

function nextOf({ chain, sequence }: CycleId): CycleId {
  return { chain, sequence: sequence + 1 };
}

async function endCycles({ options, runs }: Source, run: VmRun): Promise<HypervisorEnd> {
  const cycled = runs.get(nameOf(run)) ?? recovered(options, run);
  if (cycled === undefined) return { kind: "done" };
  if (cycled.isUnderWay) return refuse("cycle-under-way", { vm: run.vm });
  const qmp = options.qmp(run);
  if (qmp === undefined && options.isHere(run)) return { kind: "unknown", cause: "QEMU does not answer" };
  // QEMU's jobs end only with a relay that answers.
  if (!(await cycled.keeper.open())) return { kind: "unknown", cause: "its relay does not start" };
  if (qmp !== undefined) {
    const names = cycled.config.volumes.map((_, disk) => cycleNames(disk));
    if (!(await removeJobs(qmp, names, servedBy(cycled))) || !(await removeNodes(qmp, names)))
      return { kind: "unknown", cause: "QEMU does not answer" };
    const noted = await notedWrites(qmp, names);
    if (noted !== undefined) await forgetBut(qmp, names, noted, null);
  }
  await cycled.keeper.end();
  runs.delete(nameOf(run));
  rmSync(cycled.folder, { recursive: true, force: true });
  return { kind: "done" };
}
