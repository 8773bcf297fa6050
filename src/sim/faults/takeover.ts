import type { SeededRandom } from "../../base/random.ts";
import { leftUnfenced } from "../../core/takeover.ts";
import { parseJson } from "../../model/json.ts";
import { keys } from "../../model/keys.ts";
import type { Cluster } from "../../model/records.ts";
import type { FaultEvent } from "../plan.ts";
import { killProcess } from "../world/boot.ts";
import type { SimHost } from "../world/host.ts";
import { takeOver } from "../world/takeover.ts";
import type { World } from "../world/world.ts";
import type { FaultKind } from "./fault.ts";
import { strikeWith } from "./strike.ts";

/** How the other one of two comes to be silent; `none`: it is not, and the order is given without right to. */
const ways = ["power-loss", "power-loss", "power-loss", "link-cut", "link-cut", "host-freeze", "none"] as const;
/** What befalls the one that goes on, in the midst of it. */
const meanwhiles = [
  ...(["nothing", "nothing", "nothing", "agent-kill", "agent-stop", "power-loss"] as const),
  // When the first of what has to follow is written, and nothing else.
  ...(["dies-writing", "dies-writing", "hangs-writing", "loses-power-writing"] as const),
] as const;
const askAgainMs = 12_000;

/**
 * One of two hosts is lost, or only looks so, and somebody at the other one says that it is off, and says so again as long as it is
 * in vain or was not written to its end (S23, S24). `kinds`: what may befall them.
 */
export function takeovers(kinds: readonly FaultKind[]): FaultKind {
  const kindOf = (wanted: string): FaultKind | undefined => kinds.find((kind) => kind.name === wanted);
  return {
    name: "takeover",
    weight: 1,
    draw: (random, context) => {
      const host = random.pick(context.workers);
      const other = random.pick(context.workers.filter((one) => one !== host));
      return {
        ...{ host, other, text: `${random.pick(ways)} ${random.pick(meanwhiles)}` },
        ...{ value: 1_000 + random.below(25_000), forMs: 20_000 + random.below(100_000) },
      };
    },
    happens: (world, event, random) => {
      const [way = "", meanwhile = ""] = (event.text ?? "").split(" ");
      const { host = "", other = "", value: afterMs = 0, forMs = 0 } = event;
      const lost = kindOf(way);
      if (lost !== undefined) strikeWith(world, lost, { host: other, other: host, forMs }, random);
      const until = Math.min(world.scheduler.now + forMs, world.plan.healAtMs);
      world.scheduler.after(afterMs, () => {
        const inTheMidst = midst[meanwhile];
        if (inTheMidst === undefined) strikeOrderer(world, event, meanwhile, random);
        else onceBegun(world, () => inTheMidst(world, world.host(host), random));
        orderUntil(world, world.host(host), until, random);
      });
      return undefined;
    },
  };
}

/** Once the first of what follows from a forced store is written there (S24). */
export function onceBegun(world: World, happens: () => void): void {
  world.traps.add(({ changes }) => {
    const change = changes.find(({ key }) => key === keys.cluster);
    if (change?.kind !== "put" || (parseJson(change.text) as Cluster).forced?.open !== true) return false;
    world.scheduler.after(0, happens);
    return true;
  });
}

const midst: Readonly<Record<string, (world: World, host: SimHost, random: SeededRandom) => void>> = {
  "dies-writing": (world, host) => killProcess(world, host, "daemon"),
  "hangs-writing": (world, host, random) => {
    const { life } = host.processes.daemon;
    host.stopProcess("daemon");
    // Either it goes on, as if nothing had been meanwhile, or somebody ends it.
    const ends = random.chance(0.5);
    world.scheduler.after(5_000 + random.below(25_000), () => {
      if (life === undefined || life.ended) return;
      if (ends) killProcess(world, host, "daemon");
      else host.continueProcess("daemon");
    });
  },
  "loses-power-writing": (world, host, random) => world.cutPower(host, "fault", 1_000 + random.below(30_000)),
};

function strikeOrderer(world: World, event: FaultEvent, meanwhile: string, random: SeededRandom): void {
  const host = world.host(event.host);
  const { life } = host.processes.daemon;
  const ms = random.chance(0.5) ? random.below(8_000) : 3_000 + random.below(1_500);
  const forMs = 1_000 + random.below(15_000);
  world.scheduler.after(ms, () => {
    if (life === undefined || life.ended || host.frozen || world.scheduler.now >= world.plan.healAtMs) return;
    if (meanwhile === "agent-kill") killProcess(world, host, "daemon");
    if (meanwhile === "power-loss") world.cutPower(host, "fault", forMs);
    if (meanwhile === "agent-stop" && !host.processes.daemon.stopped) {
      host.stopProcess("daemon");
      world.scheduler.after(forMs, () => (life.ended ? undefined : host.continueProcess("daemon")));
    }
  });
}

/** It has booted since: nobody here knows what was done elsewhere meanwhile. */
function mayNotFinish({ forced, boots }: SimHost): boolean {
  return forced === undefined || forced.boots !== boots;
}

function switchOffOthers(world: World, host: SimHost): void {
  for (const other of world.hosts)
    if (other !== host && other.on && world.members.hasLeft(other.number))
      world.cutPower(other, "operator", 2 * askAgainMs);
}

/** A person asks again, until the other one is back, or all of it is written. */
function orderUntil(world: World, host: SimHost, until: number, random: SeededRandom): void {
  // Its member lacks what was decided without it: who says there that the other one is off says it of the store that goes on.
  if (!world.members.hasLeft(host.number)) takeOver(world, host, random);
  const look = (): void => {
    const view = world.daemons.get(host.id)?.view();
    const isHalf = host.forced !== undefined || (view !== undefined && leftUnfenced(view, host.id).length > 0);
    // What the warning says: one that is up, does not vote and keeps it from ending is switched off first.
    if (world.scheduler.now >= until && isHalf && mayNotFinish(host)) switchOffOthers(world, host);
    if (world.scheduler.now < until || isHalf) orderUntil(world, host, until, random);
  };
  world.scheduler.after(askAgainMs, look);
}
