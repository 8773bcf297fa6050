import { must } from "../../base/assert.ts";
import { hashText, type SeededRandom, seededRandom } from "../../base/random.ts";
import type { Profile } from "../../model/config.ts";
import type { HostId, Revision } from "../../model/ids.ts";
import type { Params } from "../../model/reason.ts";
import type { Event } from "../../model/records.ts";
import type { Transaction } from "../../model/transaction.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Fencing } from "../../ports/fencing.ts";
import { type GuardName, guardNames } from "../../ports/guard.ts";
import type { Hypervisor } from "../../ports/hypervisor.ts";
import type { Migration } from "../../ports/migration.ts";
import type { HostReading } from "../../ports/sensors.ts";
import type { Daemon } from "../../runtime/daemon.ts";
import {
  type Checker,
  type Hooks,
  hooksOf,
  type StepChecks,
  type Violation,
  type Writer,
} from "../checkers/checker.ts";
import { add, type Counts, type OutcomeName } from "../counts.ts";
import { goodMood, type SimDevice, simFencing } from "../fencing.ts";
import { createMemoryStore, type MemoryStore } from "../memory-store.ts";
import { MoveNetwork } from "../move/qemu.ts";
import { planProfiles, type WorldPlan } from "../plan.ts";
import { HostClock } from "./clock.ts";
import { type Commit, History } from "./history.ts";
import type { Copy } from "./host.ts";
import { SimHost } from "./host.ts";
import { Members } from "./members.ts";
import { Network } from "./network.ts";
import type { Life } from "./process.ts";
import { Qemus } from "./qemus.ts";
import { ReplicaMachines } from "./replicas.ts";
import { Scheduler } from "./scheduler.ts";
import { Story } from "./story.ts";
import { Truth } from "./truth.ts";

export type WorldOptions = {
  readonly keepStory: boolean;
  readonly checkers: (world: World) => readonly Checker[];
  readonly steps: (world: World) => StepChecks;
  /** Where all draws come from; by default the plan's seed. */
  readonly random?: SeededRandom;
  /** Power on, with everything that starts then. */
  readonly boot: (world: World, host: SimHost) => void;
  /** What stands between a host's daemon and its machine, where this is not the usual world. */
  readonly around?: Around;
};

export type Around = {
  readonly hypervisor: (host: SimHost, life: Life, inner: Hypervisor & Migration) => Hypervisor & Migration;
  readonly reading: (host: SimHost, usual: HostReading) => HostReading;
  /** Writes what hosts use itself, so that their sensors never answer what they are asked of it. */
  readonly writesUsage?: boolean;
};

const auditEveryMs = 20;

/** A cluster under virtual time, with its ground truth and everything that watches it. */
export class World {
  readonly plan: WorldPlan;
  readonly profile: Profile;
  readonly random: SeededRandom;
  readonly scheduler = new Scheduler();
  readonly story: Story;
  readonly counts: Counts = new Map();
  readonly network: Network;
  readonly memory: MemoryStore;
  readonly history: History;
  readonly members: Members;
  readonly truth = new Truth();
  readonly qemus: Qemus;
  /** What live moves go over. */
  readonly moves: MoveNetwork;
  /** Copies of disks that lie with one host. */
  readonly replicas: ReplicaMachines;
  readonly hosts: readonly SimHost[];
  readonly devices = new Map<string, SimDevice>();
  readonly fencing: Fencing;
  readonly daemons = new Map<HostId, Daemon>();
  readonly violations: Violation[] = [];
  readonly hooks: Hooks;
  readonly steps: StepChecks;
  readonly around: Around | undefined;
  /** Who asks the store at this moment. */
  writer: Writer | null = null;
  /** A fault that waits for a commit of a certain kind; true: it struck and is over. */
  readonly traps = new Set<(commit: Commit, writer: Writer | null) => boolean>();
  /** One that waits for a transaction to be on its way to the store. */
  readonly sendTraps = new Set<(transaction: Transaction) => boolean>();
  readonly #boot: WorldOptions["boot"];
  /** Faults under way that may cost a host its contact, and when the last of them ended. */
  readonly disturbed = { open: 0, until: 0 };
  #nextAudit = 0;
  readonly #levels: number[] = [];

  constructor(plan: WorldPlan, options: WorldOptions) {
    this.plan = plan;
    this.#boot = options.boot;
    this.profile = planProfiles[plan.profile];
    this.random = options.random ?? seededRandom(plan.seed);
    const { scheduler } = this;
    this.story = new Story(() => scheduler.now, options.keepStory);
    this.network = new Network(plan.hosts, this.random.for("network"));
    this.memory = createMemoryStore({ schedule: (deliver) => deliver() });
    this.history = new History(this.memory);
    this.hosts = Array.from({ length: plan.hosts }, (_, i) => this.#makeHost(i));
    for (const host of this.hosts)
      host.whenImageGone = (volume) => {
        this.replicas.imageGone(host, volume);
        for (const look of this.hooks.imageGone) look(host, volume);
      };
    this.members = this.#makeMembers();
    this.network.changed = () => this.members.refresh();
    this.moves = new MoveNetwork((a, b) => this.#connects(a.id, b.id));
    this.moves.mirrored = (from, { machine }, volumes) =>
      this.replicas.mirrored(this.host(from.id), this.host(machine.id), volumes);
    this.replicas = new ReplicaMachines(this.scheduler, (a, b) => this.#connects(a, b), plan.profile === "two");
    this.qemus = new Qemus(this.random.for("qemu"), {
      starting: (copy) => this.#starting(copy),
      adopting: (copy, as) => {
        this.count("adoptions");
        this.replicas.adopted(copy, as);
        for (const look of this.hooks.adopting) look(copy, as);
      },
      ended: (copy, exit) => {
        this.replicas.ended(copy);
        this.tell(copy.host.id, "qemu-ended", { vm: copy.run.vm, epoch: copy.run.epoch, exit });
        for (const look of this.hooks.ended) look(copy, exit);
      },
      isReplicated: (vm) => this.truth.isReplicated(vm),
      isWriting: (copy) => this.replicas.isWriting(copy),
      awaits: (copy) => {
        if (this.#liesLocally(copy.vm)) this.replicas.awaits(copy);
      },
      left: (copy) => this.replicas.left(copy),
      takesUp: (copy) => this.replicas.takesUp(copy),
    });
    this.fencing = simFencing(this.#worldClock(), this.devices);
    this.around = options.around;
    this.hooks = hooksOf(options.checkers(this));
    this.steps = options.steps(this);
    this.history.onCommit((commit) => this.#committed(commit));
  }

  /** One event, and everything that looks at it. False: there is none before `limitMs`. */
  step(limitMs: number): boolean {
    if (!this.scheduler.step(limitMs)) return false;
    this.#lookAtLevels();
    for (const look of this.hooks.afterEvent) look();
    if (this.scheduler.now >= this.#nextAudit) {
      this.#nextAudit = this.scheduler.now + auditEveryMs;
      for (const look of this.hooks.audit) look();
    }
    return true;
  }

  host(name: string | undefined): SimHost {
    return must(
      this.hosts.find((host) => host.id === name),
      () => `Cannot find host ${name} in this world`,
    );
  }

  /** What a host's heart and guards hold to; the manager's own is `profile`. */
  profileOf(host: Pick<SimHost, "id">): Profile {
    const name = this.plan.hostProfiles?.[host.id];
    return name === undefined ? this.profile : planProfiles[name];
  }

  /** Hosts that run VMs. */
  workers(): readonly SimHost[] {
    return this.plan.witness ? this.hosts.slice(0, -1) : this.hosts;
  }

  isWitness(host: SimHost): boolean {
    return this.plan.witness && host.number === this.hosts.length - 1;
  }

  /** Numbers of the hosts that carry a member of the store. */
  voters(): readonly number[] {
    return this.hosts.filter((host) => this.members.isVoter(host.number)).map((host) => host.number);
  }

  memberWorks(number: number): boolean {
    const host = this.hosts[number];
    return host?.works === true && host.trouble.memberDown === 0 && !this.members.hasLeft(number);
  }

  /** For how long nothing has been wrong that could cost a host its contact. */
  quietMs(): number {
    return this.disturbed.open > 0 ? 0 : this.scheduler.now - this.disturbed.until;
  }

  /** Something is wrong from now on until at least `ms` later. */
  disturb(ms: number): void {
    this.disturbed.until = Math.max(this.disturbed.until, this.scheduler.now + ms);
  }

  tell(who: string, code: string, params: Params = {}, rule = ""): void {
    this.story.tell(who, code, params, rule);
  }

  count(name: OutcomeName | `fault ${string}`): void {
    add(this.counts, name);
  }

  fail(rule: string, text: string): void {
    this.violations.push({ rule, text, atMs: this.scheduler.now });
    this.tell("checker", "violation", { text }, rule);
  }

  /** All live copies of a VM, wherever they are. */
  copiesOf(vm: string): Copy[] {
    return this.hosts.flatMap((host) => [...host.copies.values()].filter((copy) => copy.run.vm === vm));
  }

  cutPower(host: SimHost, by: string, offMs: number): void {
    if (!host.on) return;
    host.cutPower();
    this.replicas.powerOff(host);
    this.daemons.delete(host.id);
    this.#levels[host.number] = 0;
    this.tell(host.id, "power-off", { by });
    this.disturb(offMs);
    this.members.refresh();
    const { boots } = host;
    this.scheduler.after(offMs, () => {
      if (!host.on && host.boots === boots) this.#boot(this, host);
    });
  }

  freezeHost(host: SimHost): void {
    host.freeze();
    this.tell(host.id, "host-frozen");
    if (host.freezes === 1) this.writesInFlight(host);
    this.members.refresh();
  }

  /** `boots`: as when it was frozen. Also of one that lost its power meanwhile the store's member is back from here on. */
  thawHost(host: SimHost, boots: number): void {
    if (host.boots === boots) this.tell(host.id, "host-continues");
    host.thaw();
    this.members.refresh();
  }

  compact(revision: Revision): void {
    this.memory.compact(revision);
    this.history.compact(revision);
  }

  digest(): string {
    return hashText(`${this.scheduler.executed}/${this.memory.revision()}/${this.story.count}`).toString(16);
  }

  #makeHost(number: number): SimHost {
    const id = (this.plan.hostNames?.[number] ?? `h${number + 1}`) as HostId;
    const host = new SimHost(
      id,
      number,
      this.scheduler,
      new HostClock(this.scheduler, 1_000 + number * 1_000_003),
      this.profileOf({ id }),
    );
    host.accel = this.plan.accel ?? host.accel;
    const random = this.random.for(`device ${id}`);
    const power = { isOn: () => host.on, cut: () => this.#cutByDevice(host, random) };
    this.devices.set(id, { power, mood: goodMood });
    return host;
  }

  #connects(a: string, b: string): boolean {
    const [one, other] = [this.host(a), this.host(b)];
    return one.on && other.on && this.network.connects(one.number, other.number);
  }

  #cutByDevice(host: SimHost, random: SeededRandom): void {
    this.count("powerOffs");
    this.cutPower(host, "device", 15_000 + random.below(45_000));
  }

  #makeMembers(): Members {
    const voters = this.hosts.slice(0, this.plan.voters).map((host) => host.number);
    return new Members({
      scheduler: this.scheduler,
      network: this.network,
      random: this.random.for("members"),
      voters,
      works: (number) => this.memberWorks(number),
      isFrozen: (number) => this.hosts[number]?.frozen === true,
      whenThawed: (number, run) => this.hosts[number]?.whenThawed(run),
    });
  }

  #worldClock(): Clock {
    const { scheduler } = this;
    return {
      now: () => scheduler.now as ReturnType<Clock["now"]>,
      wall: () => scheduler.now as ReturnType<Clock["wall"]>,
      wakeAt: (at, wake) => {
        const timer = scheduler.at(at, wake);
        return () => {
          timer.run = undefined;
        };
      },
    };
  }

  #starting(copy: Copy): void {
    this.tell(copy.host.id, "qemu-started", {
      vm: copy.run.vm,
      epoch: copy.run.epoch,
      incarnation: copy.run.incarnation,
    });
    for (const look of this.hooks.starting) look(copy);
    if (this.#liesLocally(copy.vm)) this.replicas.started(copy);
  }

  #liesLocally({ spec }: Copy["vm"]): boolean {
    return spec.disks.some(({ pool }) => this.plan.pools.find(({ name }) => name === pool)?.kind === "local-dir");
  }

  #committed(commit: Commit): void {
    const { writer } = this;
    for (const written of this.truth.take(commit, this.scheduler.now)) {
      if (written.name.kind === "event") this.#retell(written.value as Event);
      const looks = written.name.kind === "heartbeat" ? this.hooks.beats : this.hooks.committed;
      for (const look of looks) look(written, writer);
    }
    for (const trap of this.traps) if (trap(commit, writer)) this.traps.delete(trap);
  }

  /** What the product itself says of its decisions. */
  #retell(event: Event): void {
    const { host, type, params, reason } = event;
    const why: Params = reason === null ? {} : { because: reason.code };
    this.tell(host, type, { ...params, ...why }, reason?.rule ?? "");
  }

  #lookAtLevels(): void {
    for (const host of this.hosts) {
      const levels = host.tree.frozenLevels;
      if (!levels.touched) continue;
      levels.touched = false;
      const now = (levels.has("a") ? 1 : 0) | (levels.has("b") ? 2 : 0);
      const before = this.#levels[host.number] ?? 0;
      if (now === before) continue;
      this.#levels[host.number] = now;
      this.#levelsChanged(host, setOf(before), setOf(now));
    }
  }

  #levelsChanged(host: SimHost, before: ReadonlySet<GuardName>, after: ReadonlySet<GuardName>): void {
    const concerns = [...host.copies.values()].some(
      (copy) => copy.alive && host.tree.folders.get(copy.run.incarnation)?.frozen === false,
    );
    if (before.size === 0 && concerns) {
      this.count("freezes");
      this.writesInFlight(host);
    }
    if (after.size === 0) this.qemus.goOn(host);
    if (after.size === 0 && concerns) this.count("thaws");
    if (concerns) this.tell(host.id, after.size === 0 ? "thawed" : "frozen", { levels: [...after].join("") }, "S2");
    for (const look of this.hooks.levels) look(host, before, after);
  }

  /** A write that the kernel took before the freeze lands later although its process stands still; power-off ends it. */
  writesInFlight(host: SimHost): void {
    const random = this.random.for(`in flight ${host.id} ${this.scheduler.executed}`);
    for (const copy of host.copies.values()) {
      // A guest that its QEMU has stopped has none: stopping waits for them.
      if (!copy.strict || copy.paused || copy.moving.halted || !copy.imagesOpen) continue;
      if (!random.chance(host.trouble.slowStorage > 0 ? 0.7 : 0.3)) continue;
      const ms = 1 + random.below(host.trouble.slowStorage > 0 ? 20_000 : 300);
      const { boots } = host;
      copy.diesNotBefore = this.scheduler.now + ms;
      this.scheduler.after(ms, () => {
        if (host.boots !== boots || !copy.alive) return;
        this.count("lateWrites");
        for (const look of this.hooks.landed) look(copy);
      });
    }
  }
}

function setOf(levels: number): ReadonlySet<GuardName> {
  return new Set(guardNames.filter((name) => (levels & (name === "a" ? 1 : 2)) !== 0));
}
