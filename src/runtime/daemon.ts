import { startAgent, stepAgent } from "../agent/agent.ts";
import { copiesHere } from "../agent/copies-here.ts";
import { standstillOf } from "../agent/standstill.ts";
import type { AgentEffect, AgentEvent, AgentState, MoveOp } from "../agent/state.ts";
import type { Contacts } from "../core/contact.ts";
import type { CopyHere } from "../core/copies-here.ts";
import { withClock } from "../core/host-checks.ts";
import type { Standstill } from "../core/standstill.ts";
import { startManager, stepManager } from "../manager/manager.ts";
import type { ManagerEffect, ManagerEvent, ManagerState } from "../manager/state.ts";
import type { Profile } from "../model/config.ts";
import type { HostId, InstantMs, WallMs } from "../model/ids.ts";
import { type ClusterView, emptyView } from "../model/view.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommitWithEvents } from "../ports/committer.ts";
import type { Fencing } from "../ports/fencing.ts";
import type { HeartLink } from "../ports/heart.ts";
import type { Hypervisor, HypervisorEnd, Volumes } from "../ports/hypervisor.ts";
import type { Journal } from "../ports/journal.ts";
import type { Machine } from "../ports/machine.ts";
import type { Migration } from "../ports/migration.ts";
import type { Random } from "../ports/random.ts";
import type { Sensors } from "../ports/sensors.ts";
import type { Store } from "../ports/store.ts";
import { ClockOffset } from "./clock-offset.ts";
import { createCommitter } from "./committer.ts";
import { performPoint, performReplica, type Replicas } from "./perform-replicas.ts";
import { singleTimer } from "./single-timer.ts";
import { feedView } from "./view-feed.ts";

export type DaemonPorts = {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly journal: Journal;
  readonly hypervisor: Hypervisor & Migration;
  readonly volumes: Pick<Volumes, "remove" | "removeArrived">;
  readonly replicas: Replicas;
  readonly fencing: Fencing;
  readonly sensors: Sensors;
  readonly heart: HeartLink;
  readonly machine: Machine;
  /** SHA-256, hexadecimal. */
  readonly digest: (text: string) => string;
};

export type DaemonOptions = {
  readonly self: HostId;
  readonly profile: Profile;
  /** A witness votes and may manage; it has no agent (design: it runs no VM). */
  readonly role: "host" | "witness";
  /** Called with each snapshot before anything acts on it; ends the process where the store is not this cluster's. */
  readonly check?: (view: ClusterView) => void;
  /** A takeover of this host is half written: its manager decides nothing (S24). */
  readonly isHeld?: () => boolean;
};

/** The two step machines; the simulator looks over their shoulders. */
export type DaemonSteps = { readonly manager: typeof stepManager; readonly agent: typeof stepAgent };

export type Daemon = {
  readonly view: () => ClusterView;
  /** When the store last told this process anything. */
  readonly heardAt: () => InstantMs;
  /** When this process received the newest heartbeat of each host. */
  readonly contacts: () => Contacts;
  /** Whether this host's own VMs stand still, as its heart says. */
  readonly standstill: () => Standstill | undefined;
  /** What this host's agent knows of its copies that no record says. */
  readonly copiesHere: () => readonly CopyHere[];
  readonly commit: CommitWithEvents;
  readonly stop: () => void;
};

type Moment = { readonly now: InstantMs; readonly wall: WallMs; readonly view: ClusterView };
type MoveEffect = Extract<AgentEffect, { kind: MoveOp }>;
type Untimed<E> = E extends Moment ? Omit<E, keyof Moment> : never;

/**
 * The only loop: event in → step → effects out through ports; completions come back as events. It performs and decides
 * nothing. A broken assertion in a step ends the process: a supervisor restarts it, and what runs is adopted again.
 */
export function runDaemon(
  options: DaemonOptions,
  ports: DaemonPorts,
  steps: DaemonSteps = { manager: stepManager, agent: stepAgent },
): Daemon {
  const { clock } = ports;
  let view = emptyView();
  let heardAt = clock.now();
  let manager: ManagerState = startManager(options.self, options.profile, clock.now());
  let agent: AgentState = startAgent(options.self, ports.hypervisor.accel, clock.now());
  const commit = createCommitter({ host: options.self, ...ports });
  const wakeManager = singleTimer(clock, () => toManager({ kind: "woke" }));
  const wakeAgent = singleTimer(clock, () => toAgent({ kind: "woke" }));
  let stopped = false;
  const queue: (() => void)[] = [];
  let draining = false;

  // Steps never nest: an effect that completes at once queues its event behind the step that is running.
  function enqueue(work: () => void): void {
    if (draining) {
      queue.push(work);
      return;
    }
    draining = true;
    for (let job: (() => void) | undefined = work; job !== undefined; job = queue.shift()) if (!stopped) job();
    draining = false;
  }

  function toManager(event: Untimed<ManagerEvent>): void {
    enqueue(() => {
      const happened = { ...event, now: clock.now(), wall: clock.wall(), view } as ManagerEvent;
      const isHeld = options.isHeld?.() ?? false;
      const step = steps.manager(manager, isHeld ? { ...happened, isHeld } : happened);
      manager = step.state;
      for (const effect of step.effects) performForManager(effect);
    });
  }

  function toAgent(event: Untimed<AgentEvent>): void {
    if (options.role === "witness") return;
    enqueue(() => {
      const step = steps.agent(agent, { ...event, now: clock.now(), wall: clock.wall(), view } as AgentEvent);
      agent = step.state;
      for (const effect of step.effects) performForAgent(effect);
    });
  }

  function performForManager(effect: ManagerEffect): void {
    switch (effect.kind) {
      case "commit":
        commit(
          effect.transaction,
          effect.events,
          (end) => toManager({ kind: "commit-ended", id: effect.id, end }),
          effect.once,
        );
        return;
      case "power-off":
        ports.fencing.powerOff(effect.device, (end) => {
          const cause = end.kind === "off" ? "" : end.cause;
          toManager({ kind: "power-off-ended", key: effect.key, off: end.kind === "off", cause });
        });
        return;
      case "wake-at":
        wakeManager(effect.at);
        return;
    }
  }

  function performForAgent(effect: AgentEffect): void {
    switch (effect.kind) {
      case "commit":
        commit(effect.transaction, effect.events, (end) => toAgent({ kind: "commit-ended", id: effect.id, end }));
        return;
      case "list":
        ports.hypervisor.list((runs) => {
          const { source, cycles, alone } = ports.replicas;
          const known = { attached: source.attached(), cycled: cycles.cycled() };
          toAgent({
            kind: "listed",
            runs,
            ...known,
            ...(alone && { alone: { ...alone.all(), mayNote: alone.mayNote } }),
          });
        });
        return;
      case "read":
        ports.sensors.read((reading) =>
          toAgent({ kind: "read", reading: withClock(reading, options.self, clocks.offsetMs) }),
        );
        return;
      case "measure":
        ports.sensors.measure(effect.runs, (measurement) => toAgent({ kind: "measured", measurement }));
        return;
      case "leave":
        ports.machine.leave(effect.next);
        return;
      case "alive":
        ports.heart.alive(effect.poolAgeMs);
        return;
      case "wake-at":
        wakeAgent(effect.at);
        return;
      default:
        performOnVm(effect);
    }
  }

  function performOnVm(effect: Extract<AgentEffect, { op: number }>): void {
    const ended = (op: number, end: HypervisorEnd): void => toAgent({ kind: "op-ended", op, end });
    const done = (end: HypervisorEnd): void => ended(effect.op, end);
    switch (effect.kind) {
      case "start":
        ports.hypervisor.start(effect.request, done);
        return;
      case "stop":
        ports.hypervisor.stop(effect.run, effect.graceMs, done);
        return;
      case "halt":
        ports.hypervisor.halt(effect.run, effect.graceMs, done);
        return;
      case "kill":
        ports.hypervisor.kill(effect.run, done);
        return;
      case "reset":
        ports.hypervisor.reset(effect.run, done);
        return;
      case "adopt":
        ports.hypervisor.adopt(effect.run, effect.as, done);
        return;
      case "remove-image":
        if (effect.arrivedFor === null) ports.volumes.remove(effect.pool, effect.volume, done);
        else ports.volumes.removeArrived(effect.pool, effect.volume, effect.arrivedFor, done);
        return;
      case "prepare":
      case "migrate-out":
      case "cancel-out":
      case "switch-over":
      case "complete":
      case "abandon":
      case "check":
        performMove(effect, done);
        return;
      case "take-point":
      case "list-points":
      case "drop-point":
      case "export-point":
      case "prove-point":
        performPoint(ports.replicas, effect, toAgent, ended);
        return;
      default:
        performReplica(ports.replicas, effect, toAgent, ended);
    }
  }

  function performMove(effect: MoveEffect, done: (end: HypervisorEnd) => void): void {
    const { hypervisor } = ports;
    switch (effect.kind) {
      case "prepare":
        hypervisor.prepareIncoming(effect.request, (end) => toAgent({ kind: "prepared", op: effect.op, end }));
        return;
      case "migrate-out":
        hypervisor.migrateOut(effect.run, effect.request, done);
        return;
      case "cancel-out":
        hypervisor.cancelOut(effect.run, done);
        return;
      case "switch-over":
        hypervisor.switchOver(effect.run, done);
        return;
      case "complete":
        hypervisor.completeIncoming(effect.run, effect.limitMs, done);
        return;
      case "abandon":
        hypervisor.abandonIncoming(effect.run, done);
        return;
      case "check":
        hypervisor.checkGuest(effect.run, (health) => toAgent({ kind: "checked", op: effect.op, health }));
        return;
    }
  }

  ports.hypervisor.listen((event) => toAgent({ kind: "vm", event }));
  ports.hypervisor.watchMoves((event) => toAgent({ kind: "move", event }));
  ports.replicas.source.watchReplicas((event) => toAgent({ kind: "replica", event }));
  ports.heart.listen((says) => toAgent({ kind: "heart", says }));
  const clocks = new ClockOffset();
  const stopFeed = feedView(ports, {
    synced: (next) => {
      options.check?.(next);
      view = next;
      heardAt = clock.now();
      toManager({ kind: "synced" });
      toAgent({ kind: "synced" });
    },
    changed: (next, touched) => {
      view = next;
      heardAt = clock.now();
      clocks.heard(next, clock.wall());
      toManager({ kind: "changed", touched });
      toAgent({ kind: "changed", touched });
    },
  });
  toAgent({ kind: "woke" });
  return {
    view: () => view,
    heardAt: () => heardAt,
    contacts: () => manager.contacts,
    standstill: () => standstillOf(agent),
    copiesHere: () => copiesHere(agent),
    commit,
    stop: () => {
      stopped = true;
      stopFeed();
      wakeManager(undefined);
      wakeAgent(undefined);
    },
  };
}
