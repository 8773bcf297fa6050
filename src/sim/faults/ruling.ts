import { compareText } from "../../base/order.ts";
import type { SeededRandom } from "../../base/random.ts";
import { planDeleteVm, planSetVm } from "../../core/requests/change-vm.ts";
import { type AddRuleRequest, planAddRule, planRemoveRule, planSetRule } from "../../core/requests/rules.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import type { FaultEvent } from "../plan.ts";
import type { World } from "../world/world.ts";
import type { DrawContext, FaultKind } from "./fault.ts";
import { quarantine } from "./managing.ts";
import { type Ask, ask } from "./operator.ts";

// What people say of where VMs may run, at any time; what cannot be followed is refused, as it would be to them.

/** How long somebody waits for a VM that was told to stop, and how often that is looked at. */
const stopsInMs = 20_000;
const stopLookMs = 250;

/** `NAME strict|prefer|together|apart VM,VM H:P,H:P`: a rule as a plan's text has it. */
function requestOf(text: string): AddRuleRequest {
  const [rule = "", what = "", vms = "", hosts = ""] = text.split(" ");
  const common = { rule, vms: vms.split(","), enabled: true, comment: "" };
  if (what === "together" || what === "apart") return { ...common, kind: "vm-affinity", affinity: what };
  const ranked = hosts.split(",").map((one) => {
    const [host = "", priority = "0"] = one.split(":");
    return { host, priority: Number(priority) };
  });
  return { ...common, kind: "host-affinity", strict: what === "strict", hosts: ranked };
}

function some<T>(random: SeededRandom, list: readonly T[], least: number, most: number): T[] {
  const left = [...list];
  const count = Math.min(left.length, least + random.below(most - least + 1));
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0] as T);
}

function drawRule(random: SeededRandom, { vms, workers }: DrawContext): string {
  const name = `r${random.hex(4)}`;
  const what = random.pick(["strict", "prefer", "prefer", "together", "apart", "apart"]);
  if (what === "together" || what === "apart") return `${name} ${what} ${some(random, vms, 2, 3).join(",")}`;
  const ranked = random.chance(0.5);
  const hosts = some(random, workers, 1, 3).map((host) => `${host}:${ranked ? random.below(3) : 0}`);
  return `${name} ${what} ${some(random, vms, 1, 3).join(",")} ${hosts.join(",")}`;
}

function add(world: World, event: FaultEvent, random: SeededRandom, text: string): void {
  ask(world, event, random, (view, _event, asked) => planAddRule(view, requestOf(text), asked));
}

const addsRule: FaultKind = {
  name: "rule-add",
  weight: 8,
  draw: (random, context) => ({ host: random.pick(context.workers), text: drawRule(random, context) }),
  happens: (world, event, random) => {
    add(world, event, random, event.text ?? "");
    return undefined;
  },
};

/** Says something else by a rule that is there. */
const change: Ask = (view, event, asked, random) => {
  const rules = [...view.rules.keys()].sort(compareText);
  const rule = rules.length === 0 ? "none" : random.pick(rules);
  const vm = event.vm ?? "";
  switch (random.below(6)) {
    case 0:
      return planRemoveRule(view, rule, asked);
    case 1:
      return planSetRule(view, { rule, enabled: false }, asked);
    case 2:
      return planSetRule(view, { rule, enabled: true }, asked);
    case 3:
      return planSetRule(view, { rule, addVms: [vm] }, asked);
    case 4:
      return planSetRule(view, { rule, removeVms: [vm] }, asked);
    default:
      return planSetRule(view, { rule, strict: random.chance(0.5) }, asked);
  }
};

const changesRule: FaultKind = {
  name: "rule-change",
  weight: 6,
  draw: (random, context) => ({ host: random.pick(context.workers), vm: random.pick(context.vms) }),
  happens: (world, event, random) => {
    ask(world, event, random, change);
    return undefined;
  },
};

/** Two people who do not know of each other say what contradicts each other, at two hosts, at almost the same moment. */
const rulesAtOdds: FaultKind = {
  name: "rules-at-odds",
  weight: 4,
  draw: (random, context) => {
    const [host, other] = some(random, context.workers, 2, 2);
    const vms = some(random, context.vms, 2, 2).join(",");
    const name = random.hex(4);
    const odds = random.pick([
      `a${name} together ${vms}|b${name} apart ${vms}`,
      `a${name} strict ${vms} ${host}:0|b${name} apart ${vms}`,
      `a${name} strict ${vms} ${host}:0|b${name} prefer ${vms} ${other}:0`,
    ]);
    return { host: host ?? "", other: other ?? "", text: odds, value: random.below(60) };
  },
  happens: (world, event, random) => {
    const [one = "", two = ""] = (event.text ?? "").split("|");
    add(world, event, random, one);
    const { other } = event;
    if (other !== undefined)
      world.scheduler.after(event.value ?? 0, () => add(world, { ...event, host: other }, random, two));
    return undefined;
  },
};

/** Somebody deletes a VM while somebody else says where it may run: it is stopped first, as nobody deletes one that runs. */
const deletedWhileRuled: FaultKind = {
  name: "rule-and-delete",
  weight: 3,
  draw: (random, context) => {
    const [vm = "", other = ""] = some(random, context.vms, 2, 2);
    const [host = "", second = ""] = some(random, context.workers, 2, 2);
    return { host, other: second, vm, text: `d${random.hex(4)} apart ${vm},${other}`, value: random.below(60) };
  },
  happens: (world, event, random) => {
    const { other, vm = "" } = event;
    const until = Math.min(world.scheduler.now + stopsInMs, world.plan.healAtMs);
    const whenStopped = (): void => {
      if (world.truth.owners.get(`vm:${vm}` as VmId)?.kind !== "held") {
        ask(world, event, random, (view, _event, asked) => planDeleteVm(view, vm, asked));
        if (other === undefined) return;
        world.scheduler.after(event.value ?? 0, () => add(world, { ...event, host: other }, random, event.text ?? ""));
      } else if (world.scheduler.now < until) world.scheduler.after(stopLookMs, whenStopped);
    };
    ask(world, event, random, (view, _event, asked) => planSetVm(view, { vm, requested: "stopped" }, asked));
    world.scheduler.after(stopLookMs, whenStopped);
    return undefined;
  },
};

const quarantined: FaultKind = {
  name: "quarantine",
  weight: 2,
  draw: (random, context) => ({ host: random.pick(context.workers), forMs: 30_000 + random.below(120_000) }),
  happens: (world, event) => {
    const host = event.host as HostId;
    quarantine(world, host, true);
    return () => quarantine(world, host, false);
  },
};

export const rulingFaults: readonly FaultKind[] = [addsRule, changesRule, rulesAtOdds, deletedWhileRuled, quarantined];

/** The rules that a cluster has from its beginning. */
export function drawRules(random: SeededRandom, context: DrawContext): FaultEvent[] {
  const count = 1 + random.below(3);
  return Array.from({ length: count }, (_, i) => ({
    ...{ atMs: 10_000 + 1_000 * i, kind: addsRule.name },
    ...{ host: random.pick(context.workers), text: drawRule(random, context) },
  }));
}
