import { compareText, inKeyOrder } from "../../base/order.ts";
import type { HostContact } from "../../core/requests/sight.ts";
import type { HostId, Incarnation, VmId } from "../../model/ids.ts";
import type { Event } from "../../model/records.ts";
import { applyChanges, type ClusterView, emptyView } from "../../model/view.ts";
import type { Commit } from "../world/history.ts";
import type { SimHost } from "../world/host.ts";
import type { World } from "../world/world.ts";
import { Actions } from "./actions.ts";
import type { HaScenario } from "./format.ts";
import { isProven, stateOfNode } from "./node-states.ts";
import type { FencingEntry, HardwareTransition, NodeTransition, ServiceTransition, TakenDecision } from "./result.ts";
import { shownService } from "./service-states.ts";
import { type Shown, stepsBetween } from "./steps-between.ts";

/** Silence is noticed at this pace; everything else at the commit that changes it. */
const lookEveryMs = 250;

/** Watches a world from outside and writes down what administrators of this field know as its story. */
export class Observer {
  readonly serviceTransitions: ServiceTransition[] = [];
  readonly nodeTransitions: NodeTransition[] = [];
  readonly fencing: FencingEntry[] = [];
  readonly watchdogResets: { readonly t: number; readonly node: string }[] = [];
  readonly hardware: HardwareTransition[] = [];
  readonly decisions: TakenDecision[] = [];
  readonly actions: Actions;
  readonly view: ClusterView = emptyView();
  readonly #world: World;
  readonly #scenario: HaScenario;
  readonly #beatAt = new Map<HostId, number>();
  readonly #shown = new Map<VmId, Shown>();
  readonly #nodes = new Map<string, string>();
  readonly #removed = new Set<string>();
  /** Services whose host was lost, while nothing of that was shown yet. */
  readonly #returning = new Set<VmId>();
  /** Hosts that the manager counts as lost, and has no use for a fence of (S8). */
  readonly #givenUp = new Set<HostId>();
  readonly #power = new Map<string, boolean>();

  constructor(world: World, scenario: HaScenario) {
    this.#world = world;
    this.#scenario = scenario;
    this.actions = new Actions(() => this.#now());
    this.#preload();
    world.history.onCommit((commit) => this.#committed(commit));
    this.#lookLater();
  }

  /** A resource that is not managed any more, whatever becomes of its guest; or that is again. */
  manages(sid: string, managed: boolean): void {
    if (managed) this.#removed.delete(sid);
    else this.#removed.add(sid);
    this.#look();
  }

  /** Somebody outside has moved a guest: no step of its path. */
  located(sid: string, node: string): void {
    const shown = this.#shown.get(sid as VmId);
    if (shown !== undefined) this.#shown.set(sid as VmId, { ...shown, node });
  }

  /** A device cut the power of a host that was still on: what a watchdog does elsewhere. */
  reset(host: SimHost): void {
    this.watchdogResets.push({ t: this.#now(), node: host.id });
    this.powered(host.id, "power-off", "watchdog");
  }

  /** A person switched it: what happens to its power by that is no news. */
  switched(node: string, on: boolean): void {
    this.#power.set(node, on);
  }

  /** How whoever is asked sees a host. */
  contactOf(host: HostId): HostContact {
    if (!this.view.hosts.has(host)) return "absent";
    return this.#isSilent(host) ? "silent" : "up";
  }

  powered(node: string, to: HardwareTransition["to"], cause: HardwareTransition["cause"]): void {
    this.hardware.push({ t: this.#now(), node, daemon: "hardware", from: null, to, cause });
  }

  stateOf(sid: string): Shown | undefined {
    return this.#shown.get(sid as VmId);
  }

  stateOfNode(node: string): string {
    return this.#nodes.get(node) ?? "unknown";
  }

  isRemoved(sid: string): boolean {
    return this.#removed.has(sid);
  }

  #now(): number {
    return Math.round(this.#world.scheduler.now) / 1000;
  }

  /** States that an earlier manager left count as seen. */
  #preload(): void {
    const { services = {}, nodes = {} } = this.#scenario.initialManagerState ?? {};
    for (const [sid, { state, node, target }] of Object.entries(services))
      this.#shown.set(sid as VmId, { state, node, target: target ?? null });
    for (const [node, state] of Object.entries(nodes)) this.#nodes.set(node, state);
  }

  #lookLater(): void {
    this.#world.scheduler.after(lookEveryMs, () => {
      this.#look();
      this.#lookLater();
    });
  }

  #committed({ changes, revision }: Commit): void {
    const touched = applyChanges(this.view, changes, revision);
    for (const { host } of touched.heartbeats) {
      this.#beatAt.set(host, this.#world.scheduler.now);
      this.#givenUp.delete(host);
    }
    for (const { event } of touched.events) this.#heard(event);
    if (touched.others || touched.usages) this.#look();
  }

  #heard({ type, subjects, reason }: Event): void {
    const { vm, host } = subjects;
    if (type === "host-silent-not-fenced" && host !== undefined) this.#givenUp.add(host);
    if (reason?.code === "place-is-lost" && vm !== undefined) this.#returning.add(vm);
    if (reason === null) return;
    this.decisions.push({
      t: this.#now(),
      kind: type,
      rule: reason.rule,
      ...(vm === undefined ? {} : { sid: vm }),
      ...(host === undefined ? {} : { node: host }),
      because: reason.code,
    });
  }

  #look(): void {
    for (const host of this.#world.hosts) this.#lookAtPower(host);
    // Before the first manager nobody sees anything.
    if (this.view.term === undefined) return;
    for (const { name } of this.#scenario.nodes) this.#lookAtNode(name as HostId);
    this.#lookAtFences();
    const sids = new Set([...this.view.vms.keys(), ...this.#shown.keys()]);
    for (const id of [...sids].sort(compareText)) this.#lookAtService(id);
  }

  #by(): string | null {
    return this.view.term?.value.host ?? null;
  }

  #isSilent(host: HostId): boolean {
    const at = this.#beatAt.get(host);
    // As long as a change of the store's leader costs nobody its contact.
    return at === undefined || this.#world.scheduler.now - at > this.#world.profile.deadlineMs;
  }

  #lookAtNode(host: HostId): void {
    const from = this.#nodes.get(host) ?? "unknown";
    const to = stateOfNode(this.view, host, this.#isSilent(host));
    if (from === to) return;
    this.#nodes.set(host, to);
    this.nodeTransitions.push({ t: this.#now(), node: host, from, to, by: this.#by() });
  }

  /** A host that went down by itself, after it had said so. */
  #lookAtPower({ id, on }: SimHost): void {
    if ((this.#power.get(id) ?? false) === on) return;
    this.#power.set(id, on);
    const cause = this.view.modes.get(id)?.value.next === "reboot" ? "reboot" : "shutdown";
    this.powered(id, on ? "power-on" : "power-off", cause);
  }

  #lookAtFences(): void {
    for (const [host, fences] of inKeyOrder(this.view.fences)) {
      for (const [incarnation, { value }] of fences) {
        // A host's own word for an incarnation that it leaves or has left.
        if (value.cause !== "self") this.#fenced(host, incarnation, isProven(value));
      }
    }
  }

  readonly #fences = new Map<string, FencingEntry>();

  #fenced(host: HostId, incarnation: Incarnation, proven: boolean): void {
    const key = `${host}/${incarnation}`;
    const known = this.#fences.get(key) ?? {
      node: host,
      requestedAt: this.#now(),
      acknowledgedAt: null,
      by: this.#by(),
    };
    if (!this.#fences.has(key)) this.fencing.push(known);
    this.#fences.set(key, known);
    if (proven && known.acknowledgedAt === null) known.acknowledgedAt = this.#now();
  }

  #lookAtService(id: VmId): void {
    const before = this.#shown.get(id);
    const now = this.#removed.has(id) ? undefined : shownService(this.view, id, before, this.#givenUp);
    // Nothing is managed meanwhile, and nothing of it is forgotten.
    if (before !== undefined && now !== undefined && this.view.disarm?.value.mode === "ignore") return;
    this.actions.follow(id, this.view.owners.get(id)?.value);
    if (now === undefined) {
      if (before !== undefined) this.#tell(id, before, null);
      this.#shown.delete(id);
      return;
    }
    if (this.#waitsForItsHost(id, now)) {
      this.#returning.add(id);
      return;
    }
    const steps = stepsBetween(before, now, this.#circumstances(id));
    this.#returning.delete(id);
    for (const step of steps) {
      if (step.state === "fence") this.#leftFor(step.node);
      this.#tell(id, this.#shown.get(id), step);
      this.#shown.set(id, step);
    }
  }

  /** Its host is back before anybody fenced it: whether its VM goes on there is decided at once, and then shown. */
  #waitsForItsHost(id: VmId, { state }: Shown): boolean {
    if (state !== "fence" && state !== "recovery") return false;
    const owner = this.view.owners.get(id)?.value;
    if (owner?.kind !== "held") return false;
    const fence = this.view.fences.get(owner.host)?.get(owner.incarnation)?.value;
    const now = this.view.hosts.get(owner.host)?.value.incarnation ?? 0;
    return fence?.cause === "self" && now > owner.incarnation;
  }

  /**
   * A host that went away by its own word, or that is lost and was not fenced because nothing would start elsewhere: for
   * its services it is what a fence is. They stand still for certain (S2), and nobody waits for it any more.
   */
  #leftFor(node: string | null): void {
    const incarnation = this.view.hosts.get(node as HostId)?.value.incarnation;
    const isKnown = this.fencing.some(
      (known) => known.node === node && (known.acknowledgedAt === null || this.#now() - known.acknowledgedAt < 60),
    );
    if (incarnation !== undefined && !isKnown) this.#fenced(node as HostId, incarnation, true);
  }

  #circumstances(id: VmId) {
    return {
      moveKind: id.startsWith("vm:") ? ("migrate" as const) : ("relocate" as const),
      lost: this.#returning.has(id),
      rebalancesOnStart: this.view.policy?.value.scheduler.rebalanceOnStart === true,
    };
  }

  #tell(id: VmId, before: Shown | undefined, after: Shown | null): void {
    const node = (after ?? before)?.node ?? null;
    const frozenByDisarm = after?.state === "freeze" && this.view.disarm !== undefined;
    this.serviceTransitions.push({
      t: this.#now(),
      sid: id,
      from: before?.state ?? null,
      to: after?.state ?? null,
      node,
      ...(after?.target == null ? {} : { target: after.target }),
      by: this.#by(),
      ...(frozenByDisarm ? { cause: "disarm" as const } : {}),
    });
    if (after !== null) this.actions.stepped(id, before, after);
  }
}
