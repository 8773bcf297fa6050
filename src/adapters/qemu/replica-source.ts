import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isSame } from "../../base/same.ts";
import type { ClusterId, Epoch, Incarnation, VmId } from "../../model/ids.ts";
import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import type { Door } from "../../ports/migration.ts";
import type { AttachRequest, ReplicaEvent, ReplicaSource } from "../../ports/replication.ts";
import type { RelayConfig, RelayOrder, RelayState } from "../nbd/relay-control.ts";
import type { Qmp } from "./qmp.ts";
import { mirrorArrived } from "./replica-arrival.ts";
import { isWhole, type MirrorJob, namesOf, queryJobs, removeMirrors, resumeJobs, startMirror } from "./replica-job.ts";
import { tellLacking } from "./replica-lacking.ts";
import { progressOfCopy } from "./replica-progress.ts";
import { reach } from "./replica-reach.ts";
import { type OrderEnd, RelayKeeper, readRelayConfig, relayFolder, writeRelayConfig } from "./replica-relay.ts";

export type ReplicaSourceOptions = {
  readonly cluster: ClusterId;
  readonly runDir: string;
  readonly certificates?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** The program and its arguments, before the name of the configuration. */
  readonly relay: readonly string[];
  /** Undefined: the run is not here, or its QEMU does not answer. */
  readonly qmp: (run: VmRun) => Qmp | undefined;
  /** Its QEMU is here, whether or not it answers. */
  readonly isHere: (run: VmRun) => boolean;
};

/** `close` lets go of everything: relays go on, and the next driver takes them up. */
export interface QemuReplicaSource extends ReplicaSource {
  close(): void;
  /** The same as long as it is the same relay, and it refused nothing more. Undefined: none is known to be there. */
  relayWord(run: VmRun): string | undefined;
}

const limits = { lookMs: 100 } as const;
const mebibyte = 1024 * 1024;
const done: HypervisorEnd = { kind: "done" };

/** One run with its relay. */
type Attached = {
  readonly run: VmRun;
  readonly folder: string;
  readonly disks: number;
  readonly keeper: RelayKeeper;
  /** What the relay said when it began to hold: since then it must have refused nothing (S17). Undefined: unknown. */
  since: { readonly relay: string; readonly refused: number } | undefined;
  copied: boolean;
  /** Each of its disks has a job, and should go on having one. */
  mirrored: boolean;
  lastLeft: { readonly at: number; readonly bytes: number } | undefined;
  /** Its guest goes on without its copies: what those lack is looked at then, in this process's milliseconds. Null: it does not. */
  lackingAt: number | null;
  heard: RelayState | undefined;
};

type Source = {
  readonly options: ReplicaSourceOptions;
  readonly runs: Map<string, Attached>;
  readonly emit: (event: ReplicaEvent) => void;
  closed: boolean;
};

/** Takes up at once the relays that an earlier agent left. */
export function openReplicaSource(options: ReplicaSourceOptions): QemuReplicaSource {
  const listeners: ((event: ReplicaEvent) => void)[] = [];
  const emit = (event: ReplicaEvent): void => {
    for (const listener of listeners) listener(event);
  };
  const source: Source = { options, runs: new Map(), emit, closed: false };
  takeUp(source);
  const look = setInterval(() => void lookAtAll(source), limits.lookMs);
  const of = (run: VmRun, act: (attached: Attached) => Promise<HypervisorEnd>): Promise<HypervisorEnd> => {
    const attached = source.runs.get(nameOf(run));
    if (attached !== undefined) return act(attached);
    return Promise.resolve(refuse("replica-not-attached", { vm: run.vm }));
  };
  return {
    attach: (run, request, end) => answer(attach(source, run, request), end),
    begin: (run, limitMs, end) =>
      answer(
        of(run, (attached) => begin(source, attached, limitMs)),
        end,
      ),
    goOnAlone: (run, end) => answer(of(run, goOnAlone), end),
    reach: (run, doors, end) => answer(reach(run, doors), end),
    attached: () => [...source.runs.values()].map(({ run }) => run),
    resync: (run, doors, end) =>
      answer(
        of(run, (attached) => resync(source, attached, doors)),
        end,
      ),
    confirm: (run, end) =>
      answer(
        of(run, (attached) => confirm(source, attached)),
        end,
      ),
    bar: (run, end) =>
      answer(
        of(run, ({ keeper }) => barOrder(run, keeper.order({ kind: "bar" }))),
        end,
      ),
    unbar: (run, end) =>
      answer(
        of(run, ({ keeper }) => barOrder(run, keeper.order({ kind: "unbar" }))),
        end,
      ),
    detach: (run, end) => answer(detach(source, run), end),
    watchReplicas: (listener) => void listeners.push(listener),
    relayWord: (run) => {
      const state = source.runs.get(nameOf(run))?.keeper.state;
      return state === undefined ? undefined : `${state.relay} ${state.refused}`;
    },
    close: () => {
      source.closed = true;
      clearInterval(look);
      for (const { keeper } of source.runs.values()) keeper.close();
    },
  };
}

function answer(work: Promise<HypervisorEnd>, end: (end: HypervisorEnd) => void): void {
  void work.catch((error: unknown): HypervisorEnd => ({ kind: "unknown", cause: String(error) })).then(end);
}

function nameOf(run: VmRun): string {
  return `${run.incarnation}.${run.vm}.${run.epoch}`;
}

function takeUp(source: Source): void {
  const root = relayFolder(source.options.runDir, "");
  if (!existsSync(root)) return;
  for (const name of readdirSync(root)) {
    const config = readRelayConfig(join(root, name));
    const incarnation = Number(name.split(".")[0]);
    if (config === undefined || !Number.isSafeInteger(incarnation)) continue;
    const run = { vm: config.vm as VmId, incarnation: incarnation as Incarnation, epoch: config.epoch as Epoch };
    keep(source, run, config).keeper.takeUp();
  }
}

function keep(source: Source, run: VmRun, config: RelayConfig): Attached {
  const folder = relayFolder(source.options.runDir, nameOf(run));
  const keeper = new RelayKeeper(source.options.relay, folder, config, {
    state: (state) => hear(source, attached, state),
    anew: () => {
      attached.since = undefined;
      source.emit({ kind: "holds", run });
    },
  });
  const attached: Attached = {
    run,
    folder,
    disks: config.volumes.length,
    keeper,
    since: undefined,
    copied: false,
    mirrored: false,
    lastLeft: undefined,
    lackingAt: null,
    heard: undefined,
  };
  source.runs.set(nameOf(run), attached);
  return attached;
}

const noFigures = { latencyMs: null, mibPerSecond: null } as const;

function hear(source: Source, attached: Attached, state: RelayState): void {
  const before = attached.heard;
  attached.heard = state;
  if (source.closed) return;
  const { run } = attached;
  // Also one that an earlier agent told so, and nobody tells again as long as its link is cut.
  if (state.mode === "stale") attached.lackingAt ??= performance.now();
  if (state.waits && before?.waits !== true)
    source.emit({ kind: "waits", run, detail: state.trouble ?? "the replica does not answer" });
  const isKnown = isSame(state.figures, before?.figures ?? noFigures);
  if (state.connected !== before?.connected || !isKnown)
    source.emit({
      kind: "link",
      run,
      connected: state.connected,
      detail: (state.connected ? state.link : state.trouble) ?? "",
      figures: state.figures,
    });
}

async function attach(source: Source, run: VmRun, request: AttachRequest): Promise<HypervisorEnd> {
  const { options } = source;
  const { vm } = run;
  const qmp = options.qmp(run);
  if (qmp === undefined) return refuse("vm-not-running", { vm });
  if (source.runs.has(nameOf(run))) return refuse("replica-attached", { vm });
  if (request.tls && options.certificates === undefined) return refuse("replica-no-certificate", { vm });
  const folder = relayFolder(options.runDir, nameOf(run));
  const config: RelayConfig = {
    schema: 1,
    cluster: options.cluster,
    vm,
    epoch: run.epoch,
    to: request.to,
    doors: [...request.doors],
    certificates: request.tls ? (options.certificates ?? null) : null,
    nbd: join(folder, "nbd.sock"),
    control: join(folder, "control.sock"),
    volumes: request.volumes.map(({ volume, sizeMiB }) => ({ volume, sizeBytes: sizeMiB * mebibyte })),
    waitMs: request.waitMs,
    letsGo: false,
    isEqual: request.isEqual === true,
  };
  writeRelayConfig(folder, config);
  const attached = keep(source, run, config);
  const trouble = await beginAll(attached, qmp, config, request.isEqual === true);
  attached.mirrored = trouble === undefined && request.isEqual !== true;
  if (trouble === undefined) return done;
  await takeApart(source, attached, qmp);
  return refuse("replica-not-begun", { vm, detail: trouble });
}

async function beginAll(
  attached: Attached,
  qmp: Qmp,
  { nbd, volumes }: RelayConfig,
  isEqual: boolean,
): Promise<string | undefined> {
  if (!(await attached.keeper.open())) return "its relay does not start";
  // Before the first write can come: it would wait for a replica that nobody receives yet.
  if (isEqual)
    return (await attached.keeper.order({ kind: "stale" })).kind === "done" ? undefined : "its relay is silent";
  note(attached);
  for (const [i, { volume }] of volumes.entries()) {
    const trouble = await startMirror(qmp, namesOf(i), { socket: nbd, volume, sync: "full" });
    if (trouble !== undefined) return trouble;
  }
  return undefined;
}

async function begin(source: Source, attached: Attached, limitMs: number): Promise<HypervisorEnd> {
  const { run, disks } = attached;
  const qmp = source.options.qmp(run);
  if (qmp === undefined) return refuse("vm-not-running", { vm: run.vm });
  const names = namesIn(attached);
  const jobs = await queryJobs(qmp, names);
  // By an earlier call that had no answer.
  if (jobs?.length === disks) return done;
  const { config } = attached.keeper;
  const mirrors = names.map((name, i) => ({ name, socket: config.nbd, volume: config.volumes[i]?.volume ?? "" }));
  const trouble = await mirrorArrived(qmp, mirrors, limitMs);
  attached.mirrored = trouble === undefined;
  if (trouble === undefined) return done;
  if (!(await takeApart(source, attached, qmp))) return unanswered;
  return refuse("replica-not-begun", { vm: run.vm, detail: trouble });
}

/** From here on it has to have refused nothing. */
function note(attached: Attached): void {
  const { state } = attached.keeper;
  attached.since = state === undefined ? undefined : { relay: state.relay, refused: state.refused };
  attached.copied = false;
  attached.lastLeft = undefined;
}

async function goOnAlone(attached: Attached): Promise<HypervisorEnd> {
  attached.since = undefined;
  attached.copied = false;
  if (await obeys(attached.keeper, { kind: "stale" })) {
    attached.lackingAt ??= performance.now();
    return done;
  }
  return { kind: "unknown", cause: "its relay does not answer" };
}

async function resync(source: Source, attached: Attached, doors: readonly Door[]): Promise<HypervisorEnd> {
  const { run } = attached;
  const qmp = source.options.qmp(run);
  if (qmp === undefined) return refuse("vm-not-running", { vm: run.vm });
  const jobs = await queryJobs(qmp, namesIn(attached));
  if (jobs?.length !== attached.disks)
    return jobs === undefined ? unanswered : refuse("replica-job-gone", { vm: run.vm });
  const end = await attached.keeper.order({ kind: "connect", doors: [...doors] }, null);
  if (end.kind === "no" && attached.keeper.state?.behind === true) return refuse("replica-copy-other", { vm: run.vm });
  // It was to be taken apart once: what was written since is noted nowhere.
  if (end.kind === "no" && attached.keeper.state?.mode === "gone") return refuse("replica-job-gone", { vm: run.vm });
  if (end.kind === "no") return refuse("replica-resync-ended", { vm: run.vm, detail: end.why });
  if (end.kind === "silent") return { kind: "unknown", cause: "its relay does not answer" };
  note(attached);
  attached.mirrored = true;
  attached.lackingAt = null;
  await resumeJobs(qmp, jobs);
  return done;
}

const unanswered: HypervisorEnd = { kind: "unknown", cause: "QEMU does not answer" };

/** S17, S18: QEMU's word first, then the relay's, which covers the time until QEMU's was given. */
async function confirm(source: Source, attached: Attached): Promise<HypervisorEnd> {
  const { run, since } = attached;
  const qmp = source.options.qmp(run);
  if (qmp === undefined) return refuse("vm-not-running", { vm: run.vm });
  // Twice: a refusal that was on its way to QEMU before the first question has been read before the second is answered.
  await queryJobs(qmp, namesIn(attached));
  const jobs = await queryJobs(qmp, namesIn(attached));
  if (jobs === undefined) return unanswered;
  if (jobs.length !== attached.disks) return refuse("replica-job-gone", { vm: run.vm });
  const end = await attached.keeper.order({ kind: "tell" });
  if (end.kind !== "done") return { kind: "unknown", cause: "its relay does not answer" };
  const { state } = end;
  const refusedNothing = since !== undefined && state.relay === since.relay && state.refused === since.refused;
  if (refusedNothing && state.mode === "hold" && jobs.every(isWhole)) return done;
  return refuse("replica-not-in-sync", { vm: run.vm });
}

async function barOrder(run: VmRun, order: Promise<OrderEnd>): Promise<HypervisorEnd> {
  const end = await order;
  if (end.kind === "done") return done;
  if (end.kind === "no") return refuse("replica-bar-broken", { vm: run.vm, detail: end.why });
  return { kind: "unknown", cause: "its relay does not answer" };
}

async function detach(source: Source, run: VmRun): Promise<HypervisorEnd> {
  const attached = source.runs.get(nameOf(run));
  if (attached === undefined) return done;
  const qmp = source.options.qmp(run);
  // Its jobs are still there: without their relay the guest's writes would wait for ever.
  if (qmp === undefined && source.options.isHere(run)) return unanswered;
  return (await takeApart(source, attached, qmp)) ? done : unanswered;
}

/** `qmp` undefined: its QEMU is gone, and with it all of its jobs. */
async function takeApart(source: Source, attached: Attached, qmp: Qmp | undefined): Promise<boolean> {
  const { keeper } = attached;
  attached.since = undefined;
  attached.mirrored = false;
  if (!(await obeys(keeper, { kind: "let-go" }))) return false;
  if (qmp !== undefined && !(await removeMirrors(qmp, namesIn(attached)))) return false;
  await keeper.end();
  source.runs.delete(nameOf(attached.run));
  rmSync(attached.folder, { recursive: true, force: true });
  return true;
}

/** One that hangs or is gone is replaced: the next one holds, and then obeys. */
async function obeys(keeper: RelayKeeper, order: RelayOrder): Promise<boolean> {
  if ((await keeper.order(order)).kind === "done") return true;
  return (await keeper.replace()) && (await keeper.order(order)).kind === "done";
}

function namesIn(attached: Attached) {
  return Array.from({ length: attached.disks }, (_, disk) => namesOf(disk));
}

async function lookAtAll(source: Source): Promise<void> {
  for (const attached of source.runs.values()) {
    if (source.closed) return;
    const qmp = source.options.qmp(attached.run);
    const isLookedAt = (): boolean => attached.mirrored || attached.lackingAt !== null;
    if (!isLookedAt() || qmp === undefined) continue;
    const jobs = await queryJobs(qmp, namesIn(attached));
    if (jobs === undefined || source.closed || !isLookedAt()) continue;
    if (jobs.length !== attached.disks) {
      if (attached.mirrored) source.emit({ kind: "ended", run: attached.run });
      attached.mirrored = false;
    } else if (!attached.copied && attached.since !== undefined) await look(source, attached, qmp, jobs);
    else
      await tellLacking(attached, qmp, jobs, (progress) =>
        source.emit({ kind: "progress", run: attached.run, progress }),
      );
  }
}

async function look(source: Source, attached: Attached, qmp: Qmp, jobs: readonly MirrorJob[]): Promise<void> {
  const { run } = attached;
  const { progress, leftBytes } = progressOfCopy(jobs, attached.lastLeft, performance.now());
  attached.lastLeft = { at: performance.now(), bytes: leftBytes };
  source.emit({ kind: "progress", run, progress });
  // A job may stop once more right after it went on: answers that were on their way.
  if (attached.since !== undefined) await resumeJobs(qmp, jobs);
  if (jobs.every(isWhole) && attached.since !== undefined) {
    attached.copied = true;
    source.emit({ kind: "copied", run });
  }
}
