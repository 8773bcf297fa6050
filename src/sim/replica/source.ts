import type { HostId } from "../../model/ids.ts";
import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import type { Door } from "../../ports/migration.ts";
import type { AttachRequest, ReplicaEvent, ReplicaSource } from "../../ports/replication.ts";
import type { ReplicaWorld, SimMirrorQemu } from "./machine.ts";
import { SimRelay } from "./relay.ts";

type Done = (end: HypervisorEnd) => void;
/** What the driver knows of one run: `since` as in src/adapters/qemu/replica-source.ts. */
type Attached = {
  relay: SimRelay;
  since: number | undefined;
  copied: boolean;
  told: string;
  /** Its guest goes on without its copies: what those lack is looked at then. Null: it does not. */
  lackingAt: number | null;
  /** What its relay was told, and has not answered. */
  readonly orders: Set<Done>;
  /** So long it has been silent by now. */
  silentMs: number;
  /** It has answered this agent before: one that never did is ended sooner. */
  isHeard: boolean;
};

/** What befalls the relay of a cycle that is under way. */
export interface SimCycleRelay {
  loseRelay(): void;
  hangRelay(): void;
  relayGoesOn(): void;
}

/** What a host whose VMs are replicated has, whichever agent is there. */
export class SimReplicatedHost {
  readonly id: HostId;
  readonly qemus = new Map<string, SimMirrorQemu>();
  readonly relays = new Map<string, { readonly run: VmRun; relay: SimRelay }>();
  /** By the run's name, where a cycle is under way. */
  readonly cycleRelays = new Map<string, SimCycleRelay>();
  /** Runs between whose cycles their relay hangs. */
  readonly hungCycles = new Set<string>();
  /** The folder of each run whose cycles were begun, until they are ended: by the name that the run had then. */
  readonly cycleFolders = new Map<string, VmRun>();
  /** It has certificates, so that TLS can be asked for. */
  readonly isCertified: boolean;

  constructor(id: HostId, isCertified = false) {
    this.id = id;
    this.isCertified = isCertified;
  }
}

const stepMs = 2;
const nothingSeen = { latencyMs: null, mibPerSecond: null } as const;
const lookMs = 100;
const lackingMs = 2_000;
const blocksPerMiB = 16;
const restartMs = 100;
/** As src/adapters/qemu/replica-relay.ts has them: an order's, three questions' with a second before each, and the first word's. */
const orderMs = 2_000;
const silentMs = 3 * (1_000 + orderMs);
const firstWordMs = 2_000;
const done: HypervisorEnd = { kind: "done" };

export function nameOf(run: VmRun): string {
  return `${run.incarnation}.${run.vm}.${run.epoch}`;
}

/** The agent's side at the host of the runs; takes up the relays that an earlier one left. */
export class SimReplicaSource implements ReplicaSource {
  isOpen = true;
  readonly id: HostId;
  readonly #world: ReplicaWorld;
  readonly #outside: ReplicaWorld;
  #looks = false;
  readonly #host: SimReplicatedHost;
  readonly #runs = new Map<string, Attached>();
  readonly #listeners: ((event: ReplicaEvent) => void)[] = [];

  /** `outside`: what relays live in, which outlive this driver. */
  constructor(world: ReplicaWorld, host: SimReplicatedHost, outside = world) {
    this.#world = world;
    this.#outside = outside;
    this.#host = host;
    this.id = host.id;
    for (const { run, relay } of host.relays.values()) this.#keep(run, relay);
  }

  attach(run: VmRun, request: AttachRequest, end: Done): void {
    this.#later(() => {
      const qemu = this.#answering(run);
      const { vm } = run;
      if (qemu === undefined) return end(refuse("vm-not-running", { vm }));
      if (this.#runs.has(nameOf(run))) return end(refuse("replica-attached", { vm }));
      if (request.tls && !this.#host.isCertified) return end(refuse("replica-no-certificate", { vm }));
      const { to, doors, waitMs } = request;
      const volumes = request.volumes.map(({ volume }) => volume);
      const isEqual = request.isEqual === true;
      const outliving = { known: new Map(), left: { as: undefined } };
      const config = { host: this.#host.id, to, vm, epoch: run.epoch, doors, volumes, waitMs, isEqual, ...outliving };
      const relay = new SimRelay(this.#outside, config);
      this.#host.relays.set(nameOf(run), { run, relay });
      const attached = this.#keep(run, relay);
      if (isEqual) relay.answerFromNowOn("stale");
      else {
        attached.since = relay.refused;
        qemu.mirror(relay);
      }
      end(done);
    });
  }

  begin(run: VmRun, limitMs: number, end: Done): void {
    this.#withRun(run, end, (attached) => this.#begin(run, attached, limitMs, end));
  }

  #begin(run: VmRun, attached: Attached, leftMs: number, end: Done): void {
    if (!this.isOpen) return;
    const qemu = this.#answering(run);
    const isIn = qemu?.hasArrived() === true;
    if (isIn) {
      qemu.note(attached.relay);
      end(done);
    } else if (qemu !== undefined && leftMs > 0)
      this.#world.after(lookMs / 10, () => this.#begin(run, attached, leftMs - lookMs / 10, end));
    else {
      this.#runs.delete(nameOf(run));
      this.#host.relays.delete(nameOf(run));
      attached.relay.isAlive = false;
      end(refuse("replica-not-begun", { vm: run.vm, detail: "its guest has not come in" }));
    }
  }

  goOnAlone(run: VmRun, end: Done): void {
    this.#withRun(run, end, (attached) => {
      attached.since = undefined;
      attached.copied = false;
      this.#obey(run, attached, () => {
        attached.relay.answerFromNowOn("stale");
        attached.lackingAt ??= this.#world.now();
        end(done);
      });
    });
  }

  reach(run: VmRun, doors: readonly Door[], end: Done): void {
    this.#later(() => {
      const isThere = doors.some((door) => {
        const found = this.#world.find(door);
        return found !== undefined && this.#world.connects(this.#host.id, found.host);
      });
      end(isThere ? done : refuse("replica-resync-ended", { vm: run.vm, detail: "nobody answers" }));
    });
  }

  attached(): readonly VmRun[] {
    return [...this.#host.relays.values()].map(({ run }) => run);
  }

  resync(run: VmRun, doors: readonly Door[], end: Done): void {
    this.#withRun(run, end, (attached) => {
      const qemu = this.#answering(run);
      if (qemu === undefined) return end(refuse("vm-not-running", { vm: run.vm }));
      if (qemu.relay === undefined) return end(refuse("replica-job-gone", { vm: run.vm }));
      const { relay } = attached;
      const over = ordered(attached, end);
      const connect = (done: Parameters<SimRelay["connect"]>[1]) => relay.hears(() => relay.connect(doors, done));
      connect((how) => {
        if (!this.isOpen) return;
        if (how === "other") return over(refuse("replica-copy-other", { vm: run.vm }));
        if (how === "overtaken" && relay.mode === "gone") return over(refuse("replica-job-gone", { vm: run.vm }));
        if (how === "overtaken") return over(refuse("replica-resync-ended", { vm: run.vm, detail: "overtaken" }));
        attached.since = relay.refused;
        attached.copied = false;
        attached.lackingAt = null;
        qemu.resume();
        over(done);
      });
    });
  }

  confirm(run: VmRun, end: Done): void {
    this.#withRun(run, end, ({ relay, since }) => {
      const qemu = this.#answering(run);
      if (qemu === undefined) return end(refuse("vm-not-running", { vm: run.vm }));
      // QEMU's word is from before the relay's.
      const isWhole = qemu.isWhole();
      this.#order(relay, end, (over) => {
        const isConfirmed = relay.isAlive && relay.mode === "hold" && relay.refused === since && isWhole;
        over(isConfirmed ? done : refuse("replica-not-in-sync", { vm: run.vm }));
      });
    });
  }

  bar(run: VmRun, end: Done): void {
    this.#withRun(run, end, (attached) => {
      const { relay } = attached;
      this.#order(relay, ordered(attached, end), (over) => relay.bar((isDrained) => over(barEnd(run, isDrained))));
    });
  }

  unbar(run: VmRun, end: Done): void {
    this.#withRun(run, end, ({ relay }) => this.#order(relay, end, (over) => over(barEnd(run, relay.unbar()))));
  }

  /** What a relay that hangs does not answer in time is not known; it may act on it later all the same. */
  #order(relay: SimRelay, end: Done, act: (over: Done) => void): void {
    const orders = { orders: new Set<Done>() };
    const over = ordered(orders, end);
    if (relay.isHanging)
      this.#world.after(orderMs, () => over({ kind: "unknown", cause: "its relay does not answer" }));
    relay.hears(() => act(over));
  }

  /** One that hangs or is gone is replaced: the next one holds, and then obeys. */
  #obey(run: VmRun, attached: Attached, act: () => void): void {
    const { relay } = attached;
    const obeyed = (): void => {
      if (!attached.relay.isAlive) this.#replace(run, attached);
      act();
    };
    if (!relay.isHanging) {
      obeyed();
      return;
    }
    this.#world.after(orderMs, () => {
      if (!this.isOpen || this.#runs.get(nameOf(run)) !== attached) return;
      if (attached.relay === relay && relay.isHanging) relay.isAlive = false;
      obeyed();
    });
  }

  /** As of src/adapters/qemu/replica-source.ts. */
  relayWord(run: VmRun): string | undefined {
    const relay = this.#runs.get(nameOf(run))?.relay;
    return relay === undefined ? undefined : `${relay.number} ${relay.refused}`;
  }

  detach(run: VmRun, end: Done): void {
    this.#later(() => {
      const attached = this.#runs.get(nameOf(run));
      if (attached === undefined) return end(done);
      if (this.#qemu(run) !== this.#answering(run)) return end({ kind: "unknown", cause: "QEMU does not answer" });
      attached.since = undefined;
      this.#obey(run, attached, () => this.#takeApart(run, attached, end));
    });
  }

  #takeApart(run: VmRun, attached: Attached, end: Done): void {
    attached.relay.answerFromNowOn("gone");
    if (this.#qemu(run) !== this.#answering(run)) {
      end({ kind: "unknown", cause: "QEMU does not answer" });
      return;
    }
    this.#world.after(stepMs, () => {
      attached.relay.isAlive = false;
      this.#qemu(run)?.end();
      this.#runs.delete(nameOf(run));
      this.#host.relays.delete(nameOf(run));
      end(done);
    });
  }

  watchReplicas(listener: (event: ReplicaEvent) => void): void {
    this.#listeners.push(listener);
  }

  #keep(run: VmRun, relay: SimRelay): Attached {
    // Also one that an earlier agent told so, and nobody tells again as long as its link is cut.
    const lackingAt = relay.mode === "stale" ? this.#world.now() : null;
    const attached: Attached = {
      ...{ relay, since: undefined, copied: false, told: "", lackingAt, orders: new Set() },
      ...{ silentMs: 0, isHeard: false },
    };
    this.#runs.set(nameOf(run), attached);
    this.#listen(run, attached);
    if (!this.#looks) this.#world.after(lookMs, () => this.#look());
    this.#looks = true;
    return attached;
  }

  #listen(run: VmRun, attached: Attached): void {
    const { relay } = attached;
    relay.onChange = () => {
      const now = `${relay.isConnected} ${relay.waits}`;
      if (!this.isOpen || now === attached.told) return;
      const [wasConnected = "", waited = ""] = attached.told.split(" ");
      attached.told = now;
      if (relay.waits && waited !== "true") this.#emit({ kind: "waits", run, detail: "the replica does not answer" });
      if (String(relay.isConnected) !== wasConnected)
        this.#emit({ kind: "link", run, connected: relay.isConnected, detail: "", figures: nothingSeen });
    };
  }

  #emit(event: ReplicaEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** As long as there is anything to look at: an idle host costs nothing. */
  #look(): void {
    this.#looks = this.isOpen && this.#runs.size > 0;
    if (!this.#looks) return;
    for (const [name, attached] of this.#runs) {
      const entry = this.#host.relays.get(name);
      if (entry === undefined) continue;
      this.#ask(attached);
      if (!attached.relay.isAlive) this.#world.after(restartMs, () => this.#replace(entry.run, attached));
      else this.#tell(entry.run, attached);
    }
    this.#world.after(lookMs, () => this.#look());
  }

  /** One that was silent for too long is ended: another one takes its place. */
  #ask(attached: Attached): void {
    const { relay } = attached;
    if (!relay.isHanging) {
      attached.isHeard = true;
      attached.silentMs = 0;
      return;
    }
    attached.silentMs += lookMs;
    if (attached.silentMs >= (attached.isHeard ? silentMs : firstWordMs)) relay.isAlive = false;
  }

  #tell(run: VmRun, attached: Attached): void {
    const qemu = this.#answering(run);
    if (qemu === undefined || attached.copied) return;
    const left = qemu.volumes.reduce((sum, { dirty }) => sum + dirty.size, 0);
    if (attached.since === undefined) {
      this.#tellLacking(run, attached, left);
      return;
    }
    qemu.resume();
    const isOver = qemu.isWhole();
    const remainingMiB = Math.ceil(left / blocksPerMiB);
    this.#emit({ kind: "progress", run, progress: { percent: isOver ? 100 : 50, remainingMiB, mibPerSecond: 0 } });
    attached.copied = isOver;
    if (isOver) this.#emit({ kind: "copied", run });
  }

  /** While its guest goes on without its copies. */
  #tellLacking(run: VmRun, attached: Attached, left: number): void {
    if (attached.lackingAt === null || this.#world.now() < attached.lackingAt) return;
    attached.lackingAt = this.#world.now() + lackingMs;
    const remainingMiB = Math.ceil((left / blocksPerMiB) * 10) / 10;
    this.#emit({ kind: "progress", run, progress: { percent: left === 0 ? 100 : 50, remainingMiB, mibPerSecond: 0 } });
  }

  /** Another relay for one that is gone: in hold, and it knows nothing of what the one before it refused. */
  #replace(run: VmRun, attached: Attached): void {
    if (!this.isOpen || attached.relay.isAlive || this.#runs.get(nameOf(run)) !== attached) return;
    for (const over of [...attached.orders]) over({ kind: "unknown", cause: "its relay does not answer" });
    attached.relay = new SimRelay(this.#outside, attached.relay.config);
    attached.since = undefined;
    attached.told = "";
    attached.silentMs = 0;
    this.#host.relays.set(nameOf(run), { run, relay: attached.relay });
    this.#listen(run, attached);
    this.#qemu(run)?.reconnect(attached.relay);
    this.#emit({ kind: "holds", run });
  }

  #qemu(run: VmRun): SimMirrorQemu | undefined {
    const qemu = this.#host.qemus.get(nameOf(run));
    return qemu?.isAlive === true ? qemu : undefined;
  }

  #answering(run: VmRun): SimMirrorQemu | undefined {
    return this.#world.answers?.(run) === false ? undefined : this.#qemu(run);
  }

  #withRun(run: VmRun, end: Done, act: (attached: Attached) => void): void {
    this.#later(() => {
      const attached = this.#runs.get(nameOf(run));
      if (attached === undefined) end(refuse("replica-not-attached", { vm: run.vm }));
      else act(attached);
    });
  }

  #later(act: () => void): void {
    this.#world.after(stepMs, () => {
      if (this.isOpen) act();
    });
  }
}

/** What a relay was told to do ends with it, if not before. */
function ordered({ orders }: Pick<Attached, "orders">, end: Done): Done {
  const over: Done = (how) => {
    if (orders.delete(over)) end(how);
  };
  orders.add(over);
  return over;
}

function barEnd(run: VmRun, held: boolean): HypervisorEnd {
  return held ? done : refuse("replica-bar-broken", { vm: run.vm, detail: "it did not hold" });
}
