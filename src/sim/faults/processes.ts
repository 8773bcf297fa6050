import type { SeededRandom } from "../../base/random.ts";
import type { FaultEvent } from "../plan.ts";
import { killProcess } from "../world/boot.ts";
import { guardProcess, type ProcessName, type SimHost } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { DrawContext, FaultKind, Heal } from "./fault.ts";

/** Lengths around what matters: a blink, about D, about D+M, long. */
export function drawLength(random: SeededRandom, { deadlineMs }: DrawContext): number {
  const kind = random.below(10);
  if (kind < 3) return 50 + random.below(2_000);
  if (kind < 6) return deadlineMs - 500 + random.below(2_500);
  if (kind < 8) return deadlineMs + 1_000 + random.below(8_000);
  return 10_000 + random.below(35_000);
}

function onHost(random: SeededRandom, context: DrawContext): { host: string; forMs: number } {
  return { host: random.pick(context.workers), forMs: drawLength(random, context) };
}

function stops(name: string, weight: number, process: ProcessName): FaultKind {
  return {
    name,
    weight,
    draw: onHost,
    happens: (world, event) => stopProcess(world, world.host(event.host), process),
  };
}

function kills(name: string, weight: number, process: ProcessName): FaultKind {
  return {
    name,
    weight,
    draw: (random, context) => ({ host: random.pick(context.workers) }),
    happens: (world, event) => {
      const host = world.host(event.host);
      if (host.on && !host.frozen) killProcess(world, host, process);
      return undefined;
    },
  };
}

function stopProcess(world: World, host: SimHost, name: ProcessName): Heal | undefined {
  const { life } = host.processes[name];
  if (life === undefined || host.processes[name].stopped) return undefined;
  host.stopProcess(name);
  world.tell(host.id, "process-stopped", { process: name });
  return () => {
    if (life.ended) return;
    world.tell(host.id, "process-continues", { process: name });
    host.continueProcess(name);
  };
}

/** Both guards away at once is outside the guarantee on a host without a watchdog: only declared worlds have it. */
function otherGuardWorks(world: World, event: FaultEvent): boolean {
  const other = world.host(event.host).processes[guardProcess(event.text === "a" ? "b" : "a")];
  return world.plan.outside.includes("both-guards") || (other.life !== undefined && !other.stopped);
}

const guardStops: FaultKind = {
  name: "guard-stop",
  weight: 3,
  draw: (random, context) => ({ ...onHost(random, context), text: random.pick(["a", "b"]) }),
  happens: (world, event) =>
    otherGuardWorks(world, event)
      ? stopProcess(world, world.host(event.host), guardProcess(event.text === "a" ? "a" : "b"))
      : undefined,
};

const guardKills: FaultKind = {
  name: "guard-kill",
  weight: 3,
  draw: (random, context) => ({ host: random.pick(context.workers), text: random.pick(["a", "b"]) }),
  happens: (world, event) => {
    if (otherGuardWorks(world, event))
      killProcess(world, world.host(event.host), guardProcess(event.text === "a" ? "a" : "b"));
    return undefined;
  },
};

/** S12: the leader stands still, another takes the office, the first one continues and still believes that it leads. */
const leaderStops: FaultKind = {
  name: "leader-stop",
  weight: 5,
  draw: (random) => ({ forMs: 1_500 + random.below(9_000) }),
  happens: (world) => {
    const leader = world.hosts.find((host) => host.id === world.truth.term?.host);
    return leader === undefined ? undefined : stopProcess(world, leader, "daemon");
  },
};

/** The process dies between a commit and its answer: right after it wrote what the fault waits for. */
const killsAfterCommit: FaultKind = {
  name: "kill-after-commit",
  weight: 6,
  draw: (random) => ({
    text: random.pick(["/owner/", "/fence/", "/manager/term/", "/vms/", "/hosts/"]),
    forMs: 60_000,
  }),
  happens: (world, event) => {
    const prefix = event.text ?? "/owner/";
    const trap: Parameters<World["traps"]["add"]>[0] = (commit, writer) => {
      if (writer === null || !commit.changes.some((change) => change.key.startsWith(prefix))) return false;
      killProcess(world, writer.host, writer.process);
      return true;
    };
    world.traps.add(trap);
    return () => world.traps.delete(trap);
  },
};

export const processFaults: readonly FaultKind[] = [
  kills("agent-kill", 5, "daemon"),
  stops("agent-stop", 4, "daemon"),
  kills("heart-kill", 4, "heart"),
  stops("heart-stop", 5, "heart"),
  guardStops,
  guardKills,
  leaderStops,
  killsAfterCommit,
];
