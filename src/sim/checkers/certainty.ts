import { limits } from "../../core/limits.ts";
import type { HostLosses, HostMode } from "../../model/host-records.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import type { Heartbeat, Owner } from "../../model/records.ts";
import type { Life } from "../world/process.ts";
import type { Written } from "../world/truth.ts";
import type { World } from "../world/world.ts";
import type { Checker, Writer } from "./checker.ts";
import type { CheckerKind } from "./kind.ts";

/** What the view of whoever decides may lie behind the store, and a transaction be under way. */
export const behindMs = 12_000;
/** Together less than what a host may be silent for and yet count as alive. */
const hearingGapMs = 700;
const beatGapMs = 1_200;

type Seat = { readonly host: HostId | undefined; readonly at: number; readonly byManager: boolean };
type Steady = { since: number; last: number };

function goOn(steady: Steady | undefined, now: number, gapMs: number): Steady {
  return steady !== undefined && now - steady.last <= gapMs
    ? { since: steady.since, last: now }
    : { since: now, last: now };
}

const known = new WeakMap<World, Certainty>();

/** The one that all checkers of a world ask. */
export function certaintyOf(world: World): Certainty {
  const certainty = known.get(world) ?? new Certainty(world);
  known.set(world, certainty);
  return certainty;
}

/** Fails nothing itself. The last of all: what is committed becomes certain after each checker has had its own look at it. */
export const certain: CheckerKind = { rule: "PL2", make: (world) => certaintyOf(world).eyes() };

/**
 * What whoever decides must know, however late it hears: what has been so for a while. All else counts as unknown, so that
 * nothing is held against a decision that rests on a view of a moment ago.
 */
export class Certainty {
  readonly #world: World;
  readonly #hearing = new WeakMap<Life, Steady>();
  readonly #beats = new Map<HostId, Steady>();
  /** The last change of what tells whether a host takes VMs. */
  readonly #hostAt = new Map<HostId, number>();
  readonly #seats = new Map<VmId, Seat>();
  /** The last word on where a VM is or goes, also one that the store refused. */
  readonly #vmAt = new Map<VmId, number>();
  readonly #wishAt = new Map<VmId, number>();
  readonly #lastSeated = new Map<VmId, Map<HostId, number>>();
  rulesAt = 0;

  constructor(world: World) {
    this.#world = world;
  }

  #committed({ name, value, before }: Written, writer: Writer | null): void {
    const { now } = this.#world.scheduler;
    switch (name.kind) {
      case "rule":
        this.rulesAt = now;
        return;
      case "host":
      case "maintenance":
      case "host-mode":
      case "host-losses":
      case "fence":
        this.#hostAt.set(name.host, now);
        return;
      case "vm":
        this.#wishAt.set(name.vm, now);
        this.#vmAt.set(name.vm, now);
        return;
      case "vm-plan":
        this.#vmAt.set(name.vm, now);
        return;
      case "vm-move":
        this.#vmAt.set(name.vm, now);
        for (const move of [before, value] as (VmMove | undefined)[])
          if (move !== undefined) this.#seated(name.vm, move.to, now);
        return;
      case "owner":
        this.#own(name.vm, before as Owner | undefined, value as Owner | undefined, writer?.process === "daemon", now);
        return;
    }
  }

  /** All that it learns from. */
  eyes(): Omit<Checker, "rule"> {
    return {
      committed: (written, writer) => this.#committed(written, writer),
      beats: ({ name, value }) => {
        if (name.kind === "heartbeat" && value !== undefined)
          this.#beat(name.host, value as Heartbeat, this.#world.scheduler.now);
      },
      heard: (life, by) => {
        if (by === "watch")
          this.#hearing.set(life, goOn(this.#hearing.get(life), this.#world.scheduler.now, hearingGapMs));
      },
      refused: (_writer, { writes }) => {
        for (const { key } of writes) {
          const vm = /^\/(?:owner|vms)\/([^/]+)\//u.exec(key)?.[1];
          if (vm !== undefined) this.#vmAt.set(vm as VmId, this.#world.scheduler.now);
        }
      },
    };
  }

  areRulesSettled(): boolean {
    return this.#isOld(this.rulesAt);
  }

  /** For a while it has heard all that was committed. */
  hears(life: Life): boolean {
    const hearing = this.#hearing.get(life);
    const { now } = this.#world.scheduler;
    return hearing !== undefined && now - hearing.last <= hearingGapMs && this.#isOld(hearing.since);
  }

  /** For a while it has been able to take VMs, memory and rules aside. */
  takesVms(host: HostId): boolean {
    const { truth, scheduler, hosts } = this.#world;
    const found = hosts.find((one) => one.id === host);
    const beats = this.#beats.get(host);
    if (found === undefined || this.#world.isWitness(found) || beats === undefined) return false;
    if (scheduler.now - beats.last > beatGapMs || !this.#isOld(beats.since)) return false;
    if (!this.#isOld(this.#hostAt.get(host) ?? 0) || !truth.registrations.has(host)) return false;
    const mode = truth.values.get(keys.hostMode(host)) as HostMode | undefined;
    const losses = truth.values.get(keys.hostLosses(host)) as HostLosses | undefined;
    if (truth.values.has(keys.maintenance(host)) || (mode?.mode ?? "active") !== "active") return false;
    if ((losses?.quarantinedUntil ?? null) !== null) return false;
    return [...truth.fences.values()].every((fence) => fence.host !== host || fence.record.device !== "begun");
  }

  /** It has been in quarantine for a while, and will be for another. */
  isInQuarantine(host: HostId): boolean {
    const losses = this.#world.truth.values.get(keys.hostLosses(host)) as HostLosses | undefined;
    const until = losses?.quarantinedUntil ?? null;
    const wall = this.#world.hosts.find((one) => one.id === host)?.clock.wall() ?? 0;
    return until !== null && until - wall > 60_000 && this.#isOld(this.#hostAt.get(host) ?? 0);
  }

  /** Nothing has been said of it for a while. */
  isSettled(vm: VmId): boolean {
    return this.#isOld(this.#vmAt.get(vm) ?? 0);
  }

  /** Its record has been as it is for a while. */
  isWishSettled(vm: VmId): boolean {
    return this.#isOld(this.#wishAt.get(vm) ?? 0);
  }

  /** Where it is held by an incarnation that nobody fenced, and whoever decides knows of it. */
  seatOf(vm: VmId): HostId | undefined {
    const owner = this.#world.truth.owners.get(vm);
    const seat = this.#seats.get(vm);
    if (owner?.kind !== "held" || seat === undefined || !this.#world.truth.vms.has(vm)) return undefined;
    if (this.#world.truth.fences.has(`${owner.host}/${owner.incarnation}`)) return undefined;
    // A leader knows what leaders before it placed: each compares the term. What hosts take back it may not have heard of.
    return seat.byManager || this.#isOld(seat.at) ? owner.host : undefined;
  }

  /** Whether it may have been there, or on its way there, at any moment from a while ago until now. */
  mayBeOn(vm: VmId, host: HostId): boolean {
    const owner = this.#world.truth.owners.get(vm);
    if (owner?.kind === "held" && owner.host === host) return true;
    if (!this.isSettled(vm)) return true;
    const last = this.#lastSeated.get(vm)?.get(host);
    return last !== undefined && !this.#isOld(last);
  }

  /** Whether the host surely has room for one more VM, whatever may be on its way. */
  hasRoom(host: HostId, vm: VmId): boolean {
    const { truth, plan } = this.#world;
    let usedMiB = truth.vms.get(vm)?.spec.memoryMiB ?? 0;
    for (const [other, { spec }] of truth.vms) if (other !== vm && this.mayBeOn(other, host)) usedMiB += spec.memoryMiB;
    return usedMiB <= plan.hostMemoryMiB;
  }

  #isOld(at: number): boolean {
    return this.#world.scheduler.now - at > behindMs;
  }

  #beat(host: HostId, beat: Heartbeat, now: number): void {
    const works = beat.agentAgeMs !== null && beat.agentAgeMs < limits.agentSilentMs / 2;
    if (works) this.#beats.set(host, goOn(this.#beats.get(host), now, beatGapMs));
    else this.#beats.delete(host);
  }

  #own(vm: VmId, was: Owner | undefined, is: Owner | undefined, byManager: boolean, now: number): void {
    this.#vmAt.set(vm, now);
    for (const owner of [was, is]) if (owner?.kind === "held") this.#seated(vm, owner.host, now);
    const stays =
      was?.kind === "held" && is?.kind === "held" && was.host === is.host && was.incarnation === is.incarnation;
    if (stays) return;
    const adopted = was?.kind === "held" && is?.kind === "held" && was.host === is.host;
    this.#seats.set(vm, {
      host: is?.kind === "held" ? is.host : undefined,
      at: now,
      byManager: byManager && is?.kind === "held" && !adopted,
    });
  }

  #seated(vm: VmId, host: HostId, now: number): void {
    const seats = this.#lastSeated.get(vm) ?? new Map<HostId, number>();
    this.#lastSeated.set(vm, seats);
    seats.set(host, now);
  }
}
