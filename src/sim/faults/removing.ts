import { whatBreaks } from "../../core/foresee/guard.ts";
import { planRemoveHost, planTakeBack } from "../../core/requests/remove-host.ts";
import type { Sight } from "../../core/requests/sight.ts";
import type { HostMode } from "../../model/host-records.ts";
import type { HostId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { refuse } from "../../model/reason.ts";
import type { FaultEvent } from "../plan.ts";
import { bootHost } from "../world/boot.ts";
import type { SimHost } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { FaultKind } from "./fault.ts";
import { orderToLeave } from "./managing.ts";
import { type Ask, ask } from "./operator.ts";

const askAgainMs = 4_000;

/** As with `--accept`, but for a rule that could not be followed any more; who is up is not looked at, where nobody says it: the store itself knows whether it has a majority. */
export function removing(host: string, sight: Sight = () => "up"): Ask {
  return (view, event, asked) => {
    const context = { sight, self: event.host as HostId, silent: () => undefined };
    const { planned } = planRemoveHost(view, { host }, asked, context);
    if (planned.kind === "refused") return planned;
    // Whoever has a host removed all the same wants that rule followed no more; the checkers of rules do not know that.
    const { breaks } = whatBreaks(view, planned.transaction, new Set(view.hosts.keys()), asked.at);
    const fails = breaks.find(({ code }) => code === "edit-rule-fails");
    return fails === undefined ? planned : refuse(fails.code, fails.params);
  };
}

export function takingBack(host: string): Ask {
  return (view, _event, asked) => planTakeBack(view, host, asked);
}

/** A host is shut down in order and removed as soon as nothing speaks against it; later it is taken back. */
export const hostLeaves: FaultKind = {
  name: "host-removed",
  weight: 1,
  draw: (random, context) => ({ host: random.pick(context.workers), forMs: 40_000 + random.below(120_000) }),
  happens: (world, event) => {
    const host = leaver(world, event);
    if (host === undefined) return undefined;
    const sight: Sight = (id) => (world.host(id).works ? "up" : "silent");
    let over = false;
    orderToLeave(world, host.id, "power-off");
    const look = (): void => {
      if (over || isOut(world, host)) return;
      askSomebody(world, host, event, removing(host.id, sight));
      world.scheduler.after(askAgainMs, look);
    };
    world.scheduler.after(askAgainMs, look);
    return () => {
      over = true;
      comeBack(world, host, event);
    };
  },
};

/**
 * The product counts on a member of the store at each host. Where a world has fewer, only one without may leave: its votes would be
 * counted wrong. Undefined: there is none.
 */
function leaver(world: World, event: FaultEvent): SimHost | undefined {
  const { voters, hosts } = world.plan;
  return voters === hosts ? world.host(event.host) : world.workers().find(({ number }) => number >= voters);
}

function isOut(world: World, { id }: SimHost): boolean {
  return world.truth.values.has(keys.removedHost(id)) && !world.truth.values.has(keys.member(id));
}

/**
 * Until it is a member again and has registered; whoever was turned away meanwhile is switched on anew. One that was cut off may hear
 * of the order only now, and go down after all.
 */
function comeBack(world: World, host: SimHost, event: FaultEvent): void {
  const isTurnedAway = host.heartSays?.trouble === "heart-removed";
  if (isOut(world, host)) askSomebody(world, host, event, takingBack(host.id));
  else if (!host.on) bootHost(world, host);
  else if (!host.frozen && isTurnedAway) world.cutPower(host, "operator", 2_000);
  if (isOut(world, host) || !host.on || isTurnedAway || isToGoDown(world, host))
    world.scheduler.after(askAgainMs, () => comeBack(world, host, event));
}

/** Ordered to go down in this life, or on its way. */
function isToGoDown({ truth }: World, { id }: SimHost): boolean {
  const incarnation = truth.registrations.get(id)?.incarnation;
  const mode = truth.values.get(keys.hostMode(id)) as HostMode | undefined;
  if (mode?.incarnation === incarnation && mode?.next === "power-off") return true;
  return [...truth.intents.values()].some(
    (one) =>
      one.kind === "leave-host" &&
      one.host === id &&
      one.incarnation === incarnation &&
      one.next === "power-off" &&
      one.answer.kind === "open",
  );
}

/** Whom a person would ask: a host that hears the store, and never the one in question. */
function askSomebody(world: World, host: SimHost, event: FaultEvent, plan: Ask): void {
  const other = world
    .workers()
    .find((one) => one !== host && world.daemons.has(one.id) && world.members.seesQuorum(one.number));
  if (other !== undefined)
    ask(world, { ...event, host: other.id }, world.random.for(`asks ${world.scheduler.now}`), plan);
}
