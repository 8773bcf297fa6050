import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openAloneNotes } from "../adapters/alone-notes.ts";
import { keepDeparting } from "../adapters/etcd/departing.ts";
import { openStoreForce } from "../adapters/etcd/force.ts";
import { keepHouse } from "../adapters/etcd/housekeeping.ts";
import { keepLeaderAway } from "../adapters/etcd/leader-away.ts";
import { watchMembers } from "../adapters/etcd/members-seen.ts";
import { keepJoining } from "../adapters/etcd/rejoin.ts";
import { type EtcdStore, openEtcdStore } from "../adapters/etcd/store.ts";
import { fenceAgents } from "../adapters/fence/fence-agent.ts";
import { readHostConfig } from "../adapters/host-config.ts";
import { systemClock } from "../adapters/linux/clock.ts";
import { openHeartLink } from "../adapters/linux/heart-socket.ts";
import { openLinks } from "../adapters/linux/links.ts";
import { openMachine } from "../adapters/linux/machine.ts";
import { systemRandom } from "../adapters/linux/random.ts";
import { openLinuxSensors } from "../adapters/linux/sensors.ts";
import { type CertificateTexts, loadCertificates } from "../adapters/pki/check.ts";
import { chooseAccel } from "../adapters/qemu/accel.ts";
import { openQemuHypervisor, type QemuHypervisor } from "../adapters/qemu/driver.ts";
import { openGuestFreezer } from "../adapters/qemu/guest-freeze.ts";
import { runCgroup } from "../adapters/qemu/host.ts";
import { openCycleSource } from "../adapters/qemu/replica-cycle-source.ts";
import { openPointSource } from "../adapters/qemu/replica-point-source.ts";
import { openReplicaSource } from "../adapters/qemu/replica-source.ts";
import { openReplicaTarget, type QemuReplicaTarget } from "../adapters/qemu/replica-target.ts";
import { openVolumes } from "../adapters/qemu/volumes.ts";
import { openJournal } from "../adapters/sqlite/journal.ts";
import { type Api, createApi } from "../api/server/index.ts";
import type { Heard } from "../api/server/options.ts";
import type { TakeoverMeans } from "../api/server/takeover-means.ts";
import { must } from "../base/assert.ts";
import { storeFormat } from "../core/cluster-creation.ts";
import type { Contacts } from "../core/contact.ts";
import { shootsAfter } from "../core/duel.ts";
import { hostChecks } from "../core/host-checks.ts";
import { isWithoutDeadline, limits } from "../core/limits.ts";
import { isToTakeOut, leavingStore, leftStoreTransaction } from "../core/removal.ts";
import { isToRejoin, rejoinedTransaction } from "../core/takeover.ts";
import type { HostConfig } from "../model/config.ts";
import { type HostId, noRevision, type StoreKey } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Params } from "../model/reason.ts";
import { systemActor } from "../model/records.ts";
import type { StoredValue } from "../model/transaction.ts";
import { applyChanges, type ClusterView, emptyView } from "../model/view.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommitWithEvents } from "../ports/committer.ts";
import type { Volumes } from "../ports/hypervisor.ts";
import type { Journal } from "../ports/journal.ts";
import { type Daemon, runDaemon } from "../runtime/daemon.ts";
import { forwardOnly, type WentBack } from "../runtime/forward-only.ts";
import type { Replicas } from "../runtime/perform-replicas.ts";
import { trimEvents } from "../runtime/trim-events.ts";
import { readCopiesChecks } from "./copies-checks.ts";
import { growStrong, leanMark } from "./lean.ts";
import { type TakeoverMark, watchTakeoverMark } from "./takeover-mark.ts";
import { version } from "./version.ts";

// holdfastd: agent, standby or active manager and API server of one host. It may crash, hang or be upgraded at any time
// without touching a VM; a supervisor restarts it and it takes up what runs.

const manyVms = 200;
const lookEveryMs = 60_000;
const askEveryMs = 20_000;
const lookForSilenceMs = 500;
const lookForMarkMs = 15_000;
/** Each attempt may be refused by what answers, or by the device. */
const shootAgainMs = 15_000;

/** One line of JSON each on stderr, for the supervisor's log. `code` is explained by `messages`. */
function log(code: string, params: Params): void {
  console.error(JSON.stringify({ at: new Date().toISOString(), process: "holdfastd", code, ...params }));
}

/** Starts the daemon; a number is the exit code where it cannot. */
export async function main(args: readonly string[]): Promise<number | undefined> {
  const { values } = parseArgs({
    args: [...args],
    options: { config: { type: "string" }, kernel: { type: "string" }, initrd: { type: "string" } },
  });
  if (values.config === undefined) {
    console.error(
      "usage: holdfastd --config FILE (the host's configuration, YAML) [--kernel FILE --initrd FILE (of the KVM probe)]",
    );
    return 2;
  }
  const read = readHostConfig(values.config);
  if (read.kind === "refused") return fail(read.code, read.params);
  const { config } = read;
  const expected = { cluster: config.cluster, host: config.host, addresses: [], now: new Date() };
  const certificates = loadCertificates(config.store, expected);
  if (certificates.kind === "refused") return fail(certificates.code, certificates.params);
  mkdirSync(config.stateDir, { recursive: true });
  const journal = openJournal(join(config.stateDir, "events.sqlite"), log);
  const probe =
    values.kernel === undefined || values.initrd === undefined ? null : { path: values.kernel, initrd: values.initrd };
  const choice = await chooseAccel({
    wanted: config.accel,
    cacheFile: join(config.stateDir, "accel.json"),
    kernel: probe,
  });
  log(choice.code, { accel: choice.accel });
  return run(config, certificates.tls, journal, choice.accel);
}

function fail(code: string, params: Params): number {
  log(code, params);
  return 1;
}

async function run(
  config: HostConfig,
  tls: CertificateTexts,
  journal: Journal,
  accel: "kvm" | "tcg",
): Promise<number | undefined> {
  const warn = (line: string): void => log("trouble", { line });
  const clock = systemClock();
  const random = systemRandom();
  const etcd = openEtcdStore({ endpoints: config.store.endpoints, tls, cluster: config.cluster, log: warn });
  const store = forwardOnly(etcd, endForOldStore, journal.last());
  const volumes = openVolumes(config);
  const { host: self, profile, role } = config;
  let daemon: Daemon | undefined;
  const view = () => daemon?.view() ?? emptyView();
  // The socket first: where it is taken another holdfastd serves this host, and two agents must never act for one.
  const commit: CommitWithEvents = (...args) => must(daemon, "Cannot commit before the daemon runs").commit(...args);
  const heard = heardBy(() => daemon, clock);
  const takeover = takeoverMeans(config, etcd);
  const knows = { self, version, heard, ...seenOf(config, etcd), log: warn };
  const api = createApi({ view, store, commit, journal, clock, random, volumes, takeover, ...knows });
  const served = await api.listen(join(config.runDir, "api.sock"));
  if (served.kind === "refused") return fail(served.code, served.params);
  const mark = keepMark(takeover, api);
  const hypervisor = openQemuHypervisor({ ...config, accel, certificates: config.store });
  const replicas = openReplicas(config, volumes, hypervisor, accel);
  daemon = runDaemon(
    {
      ...{ self, profile, role, check: (snapshot) => checkCluster(config, snapshot) },
      isHeld: () => takeover.force.isUnfinished(),
    },
    {
      store,
      clock,
      random,
      journal,
      volumes,
      hypervisor,
      replicas,
      fencing: fenceAgents(),
      sensors: openLinuxSensors(
        config,
        version,
        view,
        (run) => runCgroup(config, run),
        accel,
        async (seen) => [
          ...hostChecks(config, { ...seen, ...halfTakenOver(takeover, mark) }),
          ...(await readCopiesChecks(config, replicas.target, view())),
        ],
      ),
      heart: openHeartLink(join(config.runDir, "heart.sock"), warn),
      machine: openMachine(config.commands, warn),
      digest: (text) => createHash("sha256").update(text).digest("hex"),
    },
  );
  growWith(view);
  const isMine = () => view().term?.value.host === self;
  keepHouse({ maintenance: etcd.maintenance, isMine, log });
  keepLeaderAway({ maintenance: etcd.maintenance, isMine, silent: () => silentAddresses(daemon, clock.now()), log });
  // Who only watches asks nothing: this is its question whether the store still is where it was (S22).
  setInterval(() => store.snapshot(keys.cluster, () => undefined), askEveryMs).unref();
  trimEvents(store, clock, isMine);
  keepMember(config, etcd, view, commit);
  keepOthersOut(etcd, view, commit, self);
  const dueAfter = () => (takeover.force.isOfThisBoot() ? 0 : shootsAfter(view(), self));
  if (config.takeover === "device") keepWatch(dueAfter, () => clock.now() - heard.heardAt(), api);
  return undefined;
}

/** What its own loop knows; nothing before that runs. */
function heardBy(daemon: () => Daemon | undefined, clock: Clock): Heard {
  return {
    heardAt: () => daemon()?.heardAt() ?? clock.now(),
    contacts: (): Contacts => daemon()?.contacts() ?? new Map(),
    standstill: () => daemon()?.standstill(),
    copiesHere: () => daemon()?.copiesHere() ?? [],
  };
}

/** What this host sees of links and of members of the store: for people. */
function seenOf({ store }: HostConfig, { maintenance }: EtcdStore) {
  const storeAddresses = store.endpoints.map((endpoint) => new URL(endpoint).hostname);
  return { storeAddresses, memberAnswers: watchMembers(maintenance).answers, links: openLinks() };
}

function takeoverMeans({ profile, runDir, stateDir, commands }: HostConfig, etcd: EtcdStore): TakeoverMeans {
  const force = openStoreForce({ runDir, stateDir, restart: commands.restartStore }, etcd);
  const waitMs = isWithoutDeadline(profile) ? 0 : profile.deadlineMs + profile.marginMs;
  return { force, fencing: fenceAgents(), waitMs };
}

/** Once this process serves: no other one of this host has a takeover under way then. */
function keepMark({ force }: TakeoverMeans, api: Api): TakeoverMark {
  force.forgetOrder();
  const mark = watchTakeoverMark(force, api.finishTakeover, log);
  setInterval(() => void mark.look(), lookForMarkMs).unref();
  return mark;
}

function halfTakenOver({ force }: TakeoverMeans, mark: TakeoverMark) {
  return { isHalfTakenOver: force.isUnfinished(), takeoverHeldBy: mark.heldBy() };
}

/** S23: in a cluster of two, goes on alone once the other one's device has confirmed that its power is cut; or ends that. */
function keepWatch(dueAfter: () => number | undefined, silentMs: () => number, api: Api): void {
  let notBefore = 0;
  setInterval(() => {
    const dueMs = dueAfter();
    if (dueMs === undefined || silentMs() < dueMs || performance.now() < notBefore) return;
    notBefore = performance.now() + shootAgainMs;
    log("takeover-begun", { silentMs: silentMs() });
    void api.takeOverByDevice().then(
      (end) => {
        if (end.kind !== "ok") log(end.code, end.params);
      },
      (error: unknown) => log("takeover-look-failed", { cause: String(error) }),
    );
  }, lookForSilenceMs).unref();
}

/** S23: after the others went on without this host, its member of the store joins them anew. */
function keepMember(config: HostConfig, etcd: EtcdStore, view: () => ClusterView, commit: CommitWithEvents): void {
  const { host: self, role, runDir, store } = config;
  const [endpoint = ""] = store.endpoints;
  const joined = (): void => {
    const transaction = rejoinedTransaction(view(), self);
    if (transaction === undefined) return;
    const told = { type: "cluster-member-back", subjects: { host: self }, params: { host: self } };
    const event = { ...told, reason: null, alternatives: [], actor: systemActor };
    commit(transaction, [event], () => undefined);
  };
  const isDue = () => isToRejoin(view(), self, role);
  keepJoining({ name: self, endpoint, runDir, restart: config.commands.restartStore, isDue, joined, log }, etcd);
}

/** HM7: members of the store whose hosts were removed from the cluster are taken out of it. */
function keepOthersOut(
  { membership, snapshot }: EtcdStore,
  view: () => ClusterView,
  commit: CommitWithEvents,
  self: HostId,
): void {
  const left = (host: HostId): void => {
    const transaction = leftStoreTransaction(view(), host);
    if (transaction === undefined) return;
    const told = { type: "host-left-store", subjects: { host }, params: { host } };
    commit(transaction, [{ ...told, reason: null, alternatives: [], actor: systemActor }], () => undefined);
  };
  const due = () =>
    leavingStore(view()).map(({ member }) => ({
      host: member.id,
      addresses: member.links.map(({ address }) => address),
    }));
  const isMine = () => view().term?.value.host === self;
  const isStillDue = async (host: HostId): Promise<boolean> => {
    const [term, removed] = await Promise.all([keys.managerTerm, keys.removedHost(host)].map(readNow));
    if (term === undefined || removed === undefined) return false;
    const now = emptyView();
    applyChanges(
      now,
      [...term, ...removed].map((value) => ({ kind: "put", ...value })),
      noRevision,
    );
    return isToTakeOut(now, host, self);
  };
  const readNow = (key: StoreKey) =>
    new Promise<readonly StoredValue[] | undefined>((done) => {
      snapshot(key, (end) => done(end.kind === "done" ? end.values : undefined));
    });
  keepDeparting({ membership, isMine, due, isStillDue, left, log });
}

/** The relay is a process of its own, which outlives this one; it becomes lean by itself. */
function openReplicas(
  config: HostConfig,
  volumes: Volumes,
  { qmpOf: qmp, isHere }: QemuHypervisor,
  accel: "kvm" | "tcg",
): Replicas & { readonly target: QemuReplicaTarget } {
  const { cluster, runDir, pools, store: certificates } = config;
  const relay = ["env", "-u", leanMark, process.execPath, join(import.meta.dirname, "relay.ts")];
  const options = { cluster, runDir, certificates, relay, qmp, isHere };
  const source = openReplicaSource(options);
  const watch = join(import.meta.dirname, "..", "..", ".build", "holdfast-watch");
  const target = openReplicaTarget({ cluster, runDir, pools, certificates, volumes, accel, watch });
  const freezer = openGuestFreezer(config);
  // An orderly end: no guest stands still for as long as this host has no agent.
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => void freezer.close().finally(() => process.kill(process.pid, signal)));
  const points = openPointSource({ cluster, certificates, source, freezer });
  // S23: where a host takes over by itself, what the other one noted would be lost without anybody's word; there it waits.
  const isNoted = isWithoutDeadline(config.profile) && config.takeover === "order";
  const alone = openAloneNotes(config.stateDir, isNoted, log);
  return { source, cycles: openCycleSource(options), target, points, prover: target, alone };
}

function silentAddresses(daemon: Daemon | undefined, now: number): ReadonlySet<string> {
  const silent = new Set<string>();
  if (daemon === undefined || now - daemon.heardAt() > limits.ownGapMaxMs) return silent;
  for (const [host, { heardAt }] of daemon.contacts()) {
    if (now - heardAt <= limits.leaderSilenceMs) continue;
    for (const { address } of daemon.view().members.get(host)?.value.links ?? []) silent.add(address);
  }
  return silent;
}

/** Decisions about many VMs take long enough for optimized code. */
function growWith(view: () => ClusterView): void {
  const looking = setInterval(() => {
    if (view().vms.size < manyVms) return;
    clearInterval(looking);
    growStrong();
  }, lookEveryMs);
  looking.unref();
}

/** A store that was put back to an earlier state holds owners of the past: nobody acts on it (S22). */
function endForOldStore(seen: WentBack): void {
  log("store-went-back", seen);
  process.exit(1);
}

/** A store of another format is never worked on: the process says so and ends before anything acts on what it read. */
function checkCluster(config: HostConfig, view: ClusterView): void {
  const cluster = view.cluster?.value;
  if (cluster === undefined || (cluster.id === config.cluster && cluster.format === storeFormat)) return;
  const params = { found: cluster.id, wanted: config.cluster, format: cluster.format, known: storeFormat };
  log("cluster-foreign", params);
  process.exit(1);
}
