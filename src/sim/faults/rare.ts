import { profiles } from "../../core/limits.ts";
import { put, unchanged } from "../../core/transactions.ts";
import { parseJson } from "../../model/json.ts";
import { keys } from "../../model/keys.ts";
import type { HostRegistration, Owner } from "../../model/records.ts";
import type { GuardName } from "../../ports/guard.ts";
import type { OwnIncarnation } from "../../ports/heart-host.ts";
import { killProcess } from "../world/boot.ts";
import { guardProcess, type ProcessName, processNames, type SimHost } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { FaultKind } from "./fault.ts";

/** S1: a clone of the machine comes up under its name, takes the number right before it, and goes away again. */
const twin: FaultKind = {
  name: "twin-registers",
  weight: 3,
  draw: (random, context) => ({ host: random.pick(context.workers), forMs: 40_000 }),
  happens: (world, event) => {
    const host = world.host(event.host);
    world.cutPower(host, "fault", 9_000);
    host.whenIncarnationWritten = (own) => registerTwin(world, host, own);
    return () => {
      host.whenIncarnationWritten = undefined;
    };
  },
};

function registerTwin(world: World, host: SimHost, own: OwnIncarnation): void {
  const key = keys.host(host.id);
  const before = world.truth.registrations.get(host.id);
  // A twin waits for the end of the incarnation before it like any other machine.
  if (before === undefined || before.incarnation >= own.incarnation) return;
  if (!world.truth.fences.has(`${host.id}/${before.incarnation}`)) return;
  const registration: HostRegistration = { ...before, incarnation: own.incarnation, nonce: "twin" as typeof own.nonce };
  world.memory.snapshot(key, (end) => {
    if (end.kind !== "done") return;
    const stored = end.values.find((value) => value.key === key);
    if (stored === undefined) return;
    const compares = [unchanged(key, { value: before, revision: stored.revision })];
    world.memory.commit({ compares, writes: [put(key, registration)] }, 0, () => {});
  });
  world.tell("fault", "twin-registered", { host: host.id, incarnation: own.incarnation });
  host.whenIncarnationWritten = undefined;
}

/** S13: an agent stands still from the moment on at which its host is given a VM, for longer than is waited for it. */
const agentGoneAtPlacement: FaultKind = {
  name: "agent-gone-at-placement",
  weight: 4,
  draw: (random, context) => ({ vm: random.pick(context.vms), value: 66_000 + random.below(60_000) }),
  happens: (world, event) => {
    const trap: Parameters<World["traps"]["add"]>[0] = (commit, writer) => {
      for (const change of commit.changes) {
        if (writer === null || change.kind !== "put" || !change.key.startsWith("/owner/")) continue;
        const owner = parseJson(change.text) as Owner;
        if (owner.kind !== "held" || owner.host === writer.host.id) continue;
        stopProcess(world, world.host(owner.host), "daemon", event.value ?? 70_000);
        return true;
      }
      return false;
    };
    world.traps.add(trap);
    const copy = world.copiesOf(`vm:${event.vm ?? ""}`)[0];
    // Somebody has to lose a VM, so that it is given to another.
    if (copy !== undefined) world.cutPower(copy.host, "fault", 30_000);
    return () => world.traps.delete(trap);
  },
};

function stopProcess(world: World, host: SimHost, name: ProcessName, forMs: number): void {
  const { life, stopped } = host.processes[name];
  if (life === undefined || stopped) return;
  if (isGuard(name) && !otherGuardWorks(host, name)) return;
  host.stopProcess(name);
  world.tell(host.id, "process-stopped", { process: name });
  world.scheduler.at(Math.min(world.scheduler.now + forMs, world.plan.healAtMs), () => {
    if (life.ended) return;
    world.tell(host.id, "process-continues", { process: name });
    host.continueProcess(name);
  });
}

function isGuard(name: ProcessName): boolean {
  return name === "guard-a" || name === "guard-b";
}

/** Both guards away at once is outside the guarantee. */
function otherGuardWorks(host: SimHost, name: ProcessName): boolean {
  const { life, stopped } = host.processes[name === "guard-a" ? "guard-b" : "guard-a"];
  return life !== undefined && !stopped;
}

/** S2: what has to hear that a heartbeat was committed stands still from that very moment on, and hears it late. */
const stopsAtHeartbeat: FaultKind = {
  name: "stop-at-heartbeat",
  weight: 4,
  draw: (random, context) => ({
    host: random.pick(context.workers),
    forMs: context.deadlineMs - 300 + random.below(2_500),
    text: random.pick(["heart", "guard-a", "guard-b", "host"]),
  }),
  happens: (world, event) => {
    const host = world.host(event.host);
    const trap: Parameters<World["traps"]["add"]>[0] = (commit, writer) => {
      const beats = commit.changes.some(({ kind, key }) => kind === "put" && key.startsWith(`/hb/${host.id}/`));
      if (!beats || writer?.host !== host) return false;
      stopFor(world, host, event.text ?? "heart", event.forMs ?? 6_000);
      return true;
    };
    world.traps.add(trap);
    return () => world.traps.delete(trap);
  },
};

function stopFor(world: World, host: SimHost, what: string, forMs: number): void {
  const name = processNames.find((one) => one === what);
  if (name !== undefined) {
    stopProcess(world, host, name, forMs);
    return;
  }
  const { boots } = host;
  world.freezeHost(host);
  world.scheduler.after(forMs, () => world.thawHost(host, boots));
}

/** S9: a host that is silent for almost exactly D+M, while what others hear of it is old: heartbeat and fence race. */
const backAtTheDeadline: FaultKind = {
  name: "back-at-the-deadline",
  weight: 4,
  draw: (random, context) => ({
    host: random.pick(context.workers),
    forMs: context.deadlineMs + 600 + random.below(1_500),
    value: 300 + random.below(1_200),
  }),
  happens: (world, event) => {
    const host = world.host(event.host);
    const others = world.hosts.filter((other) => other !== host);
    const cut = (by: 1 | -1): void => {
      for (const other of others) {
        world.network.cut(host.number, other.number, by);
        world.network.cut(other.number, host.number, by);
      }
    };
    cut(1);
    for (const other of others) other.trouble.watchLagMs += event.value ?? 500;
    return () => {
      cut(-1);
      // What the others hear stays old for a while.
      const over = Math.min(world.scheduler.now + 5_000, world.plan.healAtMs);
      world.scheduler.at(over, () => {
        for (const other of others) other.trouble.watchLagMs -= event.value ?? 500;
      });
    };
  },
};

/** S1: a machine that is back before anybody can know that it was gone. */
const quickReboot: FaultKind = {
  name: "quick-reboot",
  weight: 3,
  draw: (random, context) => ({ host: random.pick(context.workers), forMs: 200 + random.below(2_500) }),
  happens: (world, event) => {
    world.cutPower(world.host(event.host), "fault", event.forMs ?? 1_000);
    return undefined;
  },
};

/** S7: a host's guards are restarted one after the other with another D and M, and later with the first ones again. */
const otherDeadline: FaultKind = {
  name: "deadline-changes",
  weight: 4,
  draw: (random, context) => ({
    host: random.pick(context.workers),
    forMs: 15_000 + random.below(60_000),
    text: random.pick(["default", "fast", "slow", "slow"]),
    value: 500 + random.below(6_000),
  }),
  happens: (world, event) => {
    const host = world.host(event.host);
    const next = Object.values(profiles).find((profile) => profile.name === event.text) ?? world.profileOf(host);
    restartGuards(world, host, next, event.value ?? 1_000);
    return () => restartGuards(world, host, world.profileOf(host), event.value ?? 1_000);
  },
};

function restartGuards(world: World, host: SimHost, timing: SimHost["timing"], apartMs: number): void {
  host.timing = timing;
  const restart = (name: GuardName): void => {
    if (host.works && otherGuardWorks(host, guardProcess(name))) killProcess(world, host, guardProcess(name));
  };
  restart("a");
  world.scheduler.after(apartMs, () => restart("b"));
}

/** S5: the kernel does not bring a freeze to its end. Only as a part of stories of its own (draw-plan.ts). */
export const freezeSticks: FaultKind = {
  name: "freeze-sticks",
  weight: 1,
  draw: () => undefined,
  happens: (world, event) => {
    const { tree } = world.host(event.host);
    const cause = Symbol(event.kind);
    tree.sticking.add(cause);
    return () => void tree.sticking.delete(cause);
  },
};

/** S13: the host's guards do not thaw, whatever is committed. Only in stories. */
export const thawFails: FaultKind = {
  name: "thaw-fails",
  weight: 1,
  draw: () => undefined,
  happens: (world, event) => {
    const { tree } = world.host(event.host);
    tree.shut += 1;
    return () => {
      tree.shut -= 1;
    };
  },
};

export const rareFaults: readonly FaultKind[] = [
  twin,
  agentGoneAtPlacement,
  stopsAtHeartbeat,
  quickReboot,
  backAtTheDeadline,
  otherDeadline,
];
