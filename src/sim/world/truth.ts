import type { HostId, Incarnation, RuleId, StoreKey, VmId } from "../../model/ids.ts";
import type { KeyName } from "../../model/keys.ts";
import { parseChange } from "../../model/parse-change.ts";
import type {
  Event,
  FenceRecord,
  Heartbeat,
  HostRegistration,
  Intent,
  ManagerTerm,
  Owner,
  Pool,
  Task,
  Vm,
} from "../../model/records.ts";
import type { Replica } from "../../model/replication-records.ts";
import type { Rule } from "../../model/rules.ts";
import type { VmRun } from "../../ports/hypervisor.ts";
import { runKey } from "./copy.ts";
import type { Commit } from "./history.ts";

export type Written = {
  readonly key: StoreKey;
  readonly name: KeyName;
  /** The record as it was written, unchecked; undefined: deleted. */
  readonly value: unknown;
  /** What stood there before. */
  readonly before: unknown;
};

export type FenceTruth = {
  readonly host: HostId;
  readonly incarnation: Incarnation;
  readonly at: number;
  record: FenceRecord;
};
export type BeatTruth = {
  readonly at: number;
  readonly incarnation: Incarnation;
  readonly value: Heartbeat;
  /** By the last heartbeat that had heard the agent; by the first of the incarnation where none had. */
  readonly agentLivedAt: number;
};

/** What the store really holds, read without the product's own view: the ground on which checkers stand. */
export class Truth {
  readonly values = new Map<StoreKey, unknown>();
  readonly owners = new Map<VmId, Owner>();
  readonly vms = new Map<VmId, Vm>();
  readonly pools = new Map<string, Pool>();
  readonly registrations = new Map<HostId, HostRegistration>();
  /** When each incarnation was registered, by `H/N`. */
  readonly registeredAt = new Map<string, number>();
  readonly fences = new Map<string, FenceTruth>();
  readonly rules = new Map<RuleId, Rule>();
  readonly beats = new Map<HostId, BeatTruth>();
  readonly tasks = new Map<string, Task>();
  readonly intents = new Map<string, Intent>();
  term: ManagerTerm | undefined;
  /** Every run that an owner record ever named, with its host. */
  readonly named = new Set<string>();
  /** The last thing that was said of a VM in the events, except what says nothing of its run as it is now. */
  readonly lastWord = new Map<VmId, Event>();

  /** Anything is recorded of copies of its disks that no live move made. */
  isReplicated(vm: VmId): boolean {
    const prefix = `/replicas/${vm}/`;
    return [...this.values].some(([key, value]) => key.startsWith(prefix) && (value as Replica).pool === undefined);
  }

  take(commit: Commit, now: number): Written[] {
    return commit.changes.map((change) => {
      const { name, json: value } = parseChange(change);
      const before = this.values.get(change.key);
      if (name.kind !== "event") {
        if (value === undefined) this.values.delete(change.key);
        else this.values.set(change.key, value);
      }
      this.#place(name, value, now);
      return { key: change.key, name, value, before };
    });
  }

  #place(name: KeyName, value: unknown, now: number): void {
    switch (name.kind) {
      case "owner":
        this.#placeOwner(name.vm, value as Owner | undefined);
        return;
      case "vm":
        putOrDelete(this.vms, name.vm, value as Vm | undefined);
        return;
      case "pool":
        putOrDelete(this.pools, name.pool as string, value as Pool | undefined);
        return;
      case "rule":
        putOrDelete(this.rules, name.rule, value as Rule | undefined);
        return;
      case "task":
        putOrDelete(this.tasks, name.task as string, value as Task | undefined);
        return;
      case "intent":
        putOrDelete(this.intents, name.intent as string, value as Intent | undefined);
        return;
      case "host":
        if (value !== undefined) {
          this.registeredAt.set(`${name.host}/${(value as HostRegistration).incarnation}`, now);
        }
        putOrDelete(this.registrations, name.host, value as HostRegistration | undefined);
        return;
      case "heartbeat":
        if (value !== undefined) this.beats.set(name.host, this.#beat(name, value as Heartbeat, now));
        return;
      case "fence":
        this.#placeFence(name.host, name.incarnation, value as FenceRecord | undefined, now);
        return;
      case "manager-term":
        this.term = value as ManagerTerm | undefined;
        return;
      case "event":
        this.#hear(value as Event);
        return;
      default:
        return;
    }
  }

  #beat({ host, incarnation }: { host: HostId; incarnation: Incarnation }, value: Heartbeat, now: number): BeatTruth {
    const known = this.beats.get(host);
    const before = known?.incarnation === incarnation ? known.agentLivedAt : now;
    return { at: now, incarnation, value, agentLivedAt: value.agentAgeMs === null ? before : now - value.agentAgeMs };
  }

  #placeOwner(vm: VmId, owner: Owner | undefined): void {
    putOrDelete(this.owners, vm, owner);
    if (owner?.kind === "held") this.named.add(`${owner.host} ${runKey({ vm, ...owner })}`);
  }

  #placeFence(host: HostId, incarnation: Incarnation, record: FenceRecord | undefined, now: number): void {
    const key = `${host}/${incarnation}`;
    const known = this.fences.get(key);
    // What was fenced stays so, whether or not the record is kept.
    if (record === undefined) return;
    if (known !== undefined) known.record = record;
    else this.fences.set(key, { host, incarnation, at: now, record });
  }

  #hear(event: Event): void {
    const { vm } = event.subjects;
    // What became of a point or an old disk; and that it stood still some time ago, which its host can tell only afterwards.
    const isBeside = event.type.startsWith("point-") || beside.includes(event.type);
    if (vm !== undefined && !isBeside) this.lastWord.set(vm, event);
  }

  isNamed(vm: VmId, host: HostId, run: VmRun): boolean {
    const owner = this.owners.get(vm);
    if (owner?.kind !== "held" || owner.host !== host) return false;
    return owner.incarnation === run.incarnation && owner.epoch === run.epoch;
  }
}

const beside = ["vm-stood-still", "old-disks-removed"];

function putOrDelete<K, T>(map: Map<K, T>, key: K, value: T | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
