import { planRelease } from "../../core/requests/change-host.ts";
import { planDeleteVm, planSetVm } from "../../core/requests/change-vm.ts";
import { planPauseGroup, planSetGroup } from "../../core/requests/groups.ts";
import { planResetVm, planStartVm, planStopVm } from "../../core/requests/power.ts";
import { planAddRule, planRemoveRule, planSetRule } from "../../core/requests/rules.ts";
import type { Incarnation, IntentId, Nonce, TaskId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { shutdownPolicySchema } from "../../model/policy.ts";
import { type FenceRecord, type HostRegistration, type RequestedState, vmLockKindSchema } from "../../model/records.ts";
import type { Heal } from "../faults/fault.ts";
import { changePolicy, disarm, lockVm, maintain, orderToLeave, orderVm, quarantine } from "../faults/managing.ts";
import { faultKind } from "../faults/menu.ts";
import { cancelMove } from "../faults/moving.ts";
import { type Ask, ask } from "../faults/operator.ts";
import type { FaultEvent } from "../plan.ts";
import { bootHost, killProcess } from "../world/boot.ts";
import type { ProcessName, SimHost } from "../world/host.ts";
import { takeOver } from "../world/takeover.ts";
import type { World } from "../world/world.ts";
import { fillCopies, hangCopies, killCopies, killRelay } from "./copy-phrases.ts";
import { acceptLoss, deleteGroup, goBack } from "./failover-phrase.ts";
import {
  asItArrives,
  asItIsHandedOver,
  atHandOver,
  crashOn,
  hangOn,
  keepOn,
  onceArrived,
  putForeign,
} from "./moving-phrases.ts";
import type { FoundPhrase, PhraseArgs, PhraseId } from "./phrase-words.ts";
import { dropPoint, exportPoint, schedule, takePoint, testPoint } from "./point-phrases.ts";
import { removeHost, takeBackHost } from "./removal-phrases.ts";
import { steadyRandom } from "./steady.ts";
import { asItIsWritten } from "./takeover-phrases.ts";

type Play = (world: World, args: PhraseArgs, forMs: number | undefined) => Heal | undefined;

/** Makes it happen; returns what undoes it, where something lasts. */
export function playPhrase(world: World, { id, args }: FoundPhrase, forMs: number | undefined): Heal | undefined {
  return plays[id](world, args, forMs);
}

/** As the menu of the seeds has it. */
function menu(kind: string, more: (args: PhraseArgs) => Partial<FaultEvent> = () => ({})): Play {
  return (world, args, forMs) => {
    const [host, other] = args.hosts;
    const event: FaultEvent = {
      atMs: world.scheduler.now,
      kind,
      ...(host === undefined ? {} : { host }),
      ...(other === undefined ? {} : { other }),
      ...(args.vm === "" ? {} : { vm: args.vm }),
      ...(forMs === undefined ? {} : { forMs }),
      ...(args.value === 0 ? {} : { value: args.value }),
      ...more(args),
    };
    return faultKind(kind).happens(world, event, steadyRandom(`${kind} ${world.scheduler.now}`));
  };
}

function processOf(args: PhraseArgs): ProcessName {
  return args.process === "agent" ? "daemon" : (args.process as ProcessName);
}

function hostsOf(world: World, args: PhraseArgs): readonly SimHost[] {
  return args.hosts.length > 0 ? args.hosts.map((name) => world.host(name)) : world.hosts;
}

const powerOff: Play = (world, args, forMs) => {
  // Off until somebody orders it on, or as long as the story says.
  for (const host of hostsOf(world, args)) world.cutPower(host, "story", forMs ?? Number.POSITIVE_INFINITY);
  return undefined;
};

const powerOn: Play = (world, args) => {
  for (const host of hostsOf(world, args)) bootHost(world, host);
  return undefined;
};

const stop: Play = (world, args) => {
  const host = world.host(args.hosts[0]);
  const name = processOf(args);
  const { life } = host.processes[name];
  host.stopProcess(name);
  return () => {
    if (life?.ended === false) host.continueProcess(name);
  };
};

const blind: Play = (world, args) => {
  const { trouble } = world.host(args.hosts[0]);
  trouble.sensorsBlind += 1;
  return () => {
    trouble.sensorsBlind -= 1;
  };
};

const kill: Play = (world, args) => {
  killProcess(world, world.host(args.hosts[0]), processOf(args));
  return undefined;
};

const killWithFile: Play = (world, args, forMs) => {
  world.host(args.hosts[0]).tree.files.delete(args.process === "guard-a" ? "a" : "b");
  return kill(world, args, forMs);
};

const prefixes: Readonly<Record<string, string>> = {
  owner: "/owner/",
  fence: "/fence/",
  term: "/manager/term/",
  registration: "/hosts/",
  status: "/vms/",
  replica: "/replicas/",
  point: "/points/",
};

/** Whom a person would ask: a host whose API answers and that hears the store, the manager's if it does. */
function apiHost(world: World): SimHost | undefined {
  const answers = world
    .workers()
    .filter(
      (one) => world.members.seesQuorum(one.number) && world.daemons.has(one.id) && !one.processes.daemon.stopped,
    );
  return answers.find((one) => one.id === world.truth.term?.host) ?? answers[0];
}

function order(plan: Ask): Play {
  return orderWith(() => plan);
}

function orderWith(planFor: (args: PhraseArgs) => Ask): Play {
  return (world, args) => {
    const host = apiHost(world);
    if (host === undefined) return undefined;
    const event: FaultEvent = { atMs: world.scheduler.now, kind: "order", host: host.id, vm: args.vm };
    ask(world, event, steadyRandom(`order ${world.scheduler.now}`), planFor(args));
    return undefined;
  };
}

function turnGroup(paused: boolean): Play {
  return orderWith(
    ({ rule }) =>
      (view, _event, asked) =>
        planPauseGroup(view, rule, paused, asked),
  );
}

function addHostRule(strict: boolean): Play {
  return orderWith(
    ({ rule, vms, ranked: hosts }) =>
      (view, _event, asked) =>
        planAddRule(view, { kind: "host-affinity", rule, vms, hosts, strict, enabled: true, comment: "" }, asked),
  );
}

function addVmRule(affinity: "together" | "apart"): Play {
  return orderWith(
    ({ rule, vms }) =>
      (view, _event, asked) =>
        planAddRule(view, { kind: "vm-affinity", rule, vms, affinity, enabled: true, comment: "" }, asked),
  );
}

function setRule(change: (args: PhraseArgs) => Omit<Parameters<typeof planSetRule>[1], "rule">): Play {
  return orderWith((args) => (view, _event, asked) => planSetRule(view, { rule: args.rule, ...change(args) }, asked));
}

function requested(to: RequestedState): Play {
  return order((view, event, asked) => planSetVm(view, { vm: event.vm ?? "", requested: to }, asked));
}

/**
 * A clone of the machine, configuration and all, that saw the first one silent for D+M and registered by the book: the
 * transaction of registering.ts for a silent predecessor.
 */
const secondMachine: Play = (world, args) => {
  const { id } = world.host(args.hosts[0]);
  const before = world.truth.registrations.get(id);
  if (before === undefined) return undefined;
  const at = before.registeredAt;
  const incarnation = (before.incarnation + 1) as Incarnation;
  const next: HostRegistration = { ...before, incarnation, nonce: "second-machine" as Nonce };
  // What stands there already is kept: the transaction adds no fence to a fence.
  const fenced = world.truth.fences.has(`${id}/${before.incarnation}`);
  const fence: FenceRecord = {
    schema: 1,
    cause: "self",
    by: id,
    heartbeatRevision: null,
    waitedMs: world.profile.deadlineMs + world.profile.marginMs,
    device: "not-needed",
    proofs: ["silence"],
    at,
  };
  const writes = [
    { kind: "put" as const, key: keys.host(id), text: JSON.stringify(next) },
    ...(fenced ? [] : [{ kind: "put" as const, key: keys.fence(id, before.incarnation), text: JSON.stringify(fence) }]),
  ];
  world.memory.commit({ compares: [], writes }, 0, () => {});
  return undefined;
};

function moveTo(kind: "migrate" | "relocate"): Play {
  return done((world, { vm, hosts }) => orderVm(world, vm, { kind, to: world.host(hosts[0]).id }));
}

/** An update stops the agent a moment after it was announced. */
const agentRestartMs = 1_000;

function leaves(next: "reboot" | "power-off"): Play {
  return done((world, args) => orderToLeave(world, world.host(args.hosts[0]).id, next));
}

/** Nothing undoes it but another phrase. */
function done(happens: (world: World, args: PhraseArgs) => void): Play {
  return (world, args) => {
    happens(world, args);
    return undefined;
  };
}

const plays: { readonly [Id in PhraseId]: Play } = {
  "cut HOST": menu("cut"),
  "cut HOST out": menu("one-way-cut-out"),
  "cut HOST in": menu("one-way-cut-in"),
  "cut link HOST HOST": menu("link-cut"),
  "cut link HOST HOST one-way": menu("link-one-way"),
  "cut network": menu("network-outage"),
  "slow network of HOST by TIME": menu("slow-link"),
  "reorder messages by TIME": menu("reorder"),
  "double messages by TIME": menu("duplicate"),
  "freeze HOST": menu("host-freeze"),
  "power off HOST": powerOff,
  "power off all": powerOff,
  "power on HOST": powerOn,
  "power on all": powerOn,
  "stop PROCESS of HOST": stop,
  "kill PROCESS of HOST": kill,
  "kill PROCESS of HOST with its file": killWithFile,
  "kill whoever next writes RECORD": menu("kill-after-commit", (args) => ({ text: prefixes[args.record] ?? "" })),
  "clock of HOST drifts by PPM": menu("clock-rate"),
  "wall clock of HOST jumps by TIME": menu("wall-jump"),
  "store leader changes": menu("store-leader-change"),
  "store is full": menu("store-full"),
  "store is unavailable": menu("store-unavailable"),
  "store member of HOST is down": menu("store-member-down"),
  "lose answers to HOST": menu("answers-lost"),
  "watch of HOST lags by TIME": menu("stale-watch"),
  "watch of HOST has a gap": menu("watch-gap"),
  "crash VM": menu("qemu-crash"),
  "crash VM on HOST": done((world, { vm, hosts }) => crashOn(world, vm, hosts[0])),
  "somebody's image has the name of the disk of VM on HOST": putForeign,
  "hang VM on HOST": (world, { vm, hosts }) => hangOn(world, vm, hosts[0]),
  "crash VM on HOST at its hand-over": atHandOver((world, { vm, hosts }) => crashOn(world, vm, hosts[0])),
  "keep VM on HOST from dying at its hand-over": atHandOver((world, { vm, hosts }) => keepOn(world, vm, hosts[0])),
  "freeze HOST at the hand-over of VM": atHandOver(menu("host-freeze")),
  "kill agent of HOST at the hand-over of VM": atHandOver((world, { hosts }) =>
    killProcess(world, world.host(hosts[0]), "daemon"),
  ),
  "stop agent of HOST at the hand-over of VM": atHandOver((world, args, forMs) =>
    stop(world, { ...args, process: "agent" }, forMs),
  ),
  "kill agent of HOST as VM arrives": asItArrives((world, { hosts }) =>
    killProcess(world, world.host(hosts[0]), "daemon"),
  ),
  "power off HOST at the hand-over of VM": atHandOver(powerOff),
  "power off HOST once VM goes on elsewhere": onceArrived(powerOff),
  "cut link HOST HOST once VM goes on elsewhere": onceArrived(menu("link-cut")),
  "cut link HOST HOST at the hand-over of VM": atHandOver(menu("link-cut")),
  "lock VM with WORK as it is handed over": asItIsHandedOver((world, { vm, work }) =>
    lockVm(world, vm, vmLockKindSchema.parse(work)),
  ),
  "order stop VM as it is handed over": asItIsHandedOver((world, { vm }) =>
    orderVm(world, vm, { kind: "stop", graceMs: 5_000 }),
  ),
  "cancel move of VM": done((world, { vm }) => cancelMove(world, `vm:${vm}` as VmId)),
  "panic VM": menu("guest-panic"),
  "shut down VM from inside": menu("guest-shutdown"),
  "keep VM from dying": menu("qemu-does-not-die"),
  "fail the disk of VM": menu("storage-error"),
  "starts on HOST fail": menu("start-fails"),
  "starts on HOST are slow": menu("start-slow"),
  "monitors on HOST answer late": menu("qmp-late"),
  "writes of HOST are late": menu("late-writes"),
  "freezes of HOST stick": menu("freeze-sticks"),
  "thaws of HOST fail": menu("thaw-fails"),
  "sensors of HOST are blind": blind,
  "device of HOST is slow by TIME": menu("device-slow"),
  "device of HOST is unreachable": menu("device-unreachable"),
  "device of HOST ignores orders": menu("device-ignores"),
  "device of HOST lies": menu("device-lies"),
  "device of HOST is removed": menu("operator-removes-device"),
  "order start VM": order((view, event, asked) =>
    planStartVm(view, event.vm ?? "", `task-${event.atMs}` as TaskId, asked),
  ),
  "order stop VM": order((view, event, asked) =>
    planStopVm(view, event.vm ?? "", `task-${event.atMs}` as TaskId, asked),
  ),
  "order reset VM": order((view, event, asked) =>
    planResetVm(view, event.vm ?? "", `intent-${event.atMs}` as IntentId, asked),
  ),
  "order delete VM": order((view, event, asked) => planDeleteVm(view, event.vm ?? "", asked)),
  "order disable VM": requested("disabled"),
  "order ignore VM": requested("ignored"),
  "order migrate VM to HOST": moveTo("migrate"),
  "order relocate VM to HOST": moveTo("relocate"),
  "order stop VM within TIME": done((world, { vm, value }) => orderVm(world, vm, { kind: "stop", graceMs: value })),
  "order enable VM": requested("started"),
  "lock VM with WORK": done((world, { vm, work }) => lockVm(world, vm, vmLockKindSchema.parse(work))),
  "unlock VM": done((world, { vm }) => lockVm(world, vm, null)),
  "maintenance of HOST begins": done((world, args) => maintain(world, world.host(args.hosts[0]).id, true)),
  "maintenance of HOST ends": done((world, args) => maintain(world, world.host(args.hosts[0]).id, false)),
  "quarantine of HOST begins": done((world, args) => quarantine(world, world.host(args.hosts[0]).id, true)),
  "quarantine of HOST ends": done((world, args) => quarantine(world, world.host(args.hosts[0]).id, false)),
  "rule add RULE VMS prefer HOSTS": addHostRule(false),
  "rule add RULE VMS strict HOSTS": addHostRule(true),
  "rule add RULE VMS together": addVmRule("together"),
  "rule add RULE VMS apart": addVmRule("apart"),
  "rule remove RULE": orderWith(
    ({ rule }) =>
      (view, _event, asked) =>
        planRemoveRule(view, rule, asked),
  ),
  "rule enable RULE": setRule(() => ({ enabled: true })),
  "rule disable RULE": setRule(() => ({ enabled: false })),
  "rule set RULE with VM": setRule(({ vm }) => ({ addVms: [vm] })),
  "rule set RULE without VM": setRule(({ vm }) => ({ removeVms: [vm] })),
  "order reboot of HOST": leaves("reboot"),
  "order shutdown of HOST": leaves("power-off"),
  "order agent restart of HOST": done((world, args) => {
    const host = world.host(args.hosts[0]);
    orderToLeave(world, host.id, "agent-restart");
    world.scheduler.after(agentRestartMs, () => killProcess(world, host, "daemon"));
  }),
  "release HOST": orderWith(
    ({ hosts: [host = ""] }) =>
      (view, event, asked) =>
        planRelease(view, host, `intent-release-${host}-${Math.round(event.atMs)}` as IntentId, asked),
  ),
  "order remove HOST": orderWith(removeHost),
  "order join HOST": orderWith(takeBackHost),
  "shutdown policy is POLICY": done((world, { work }) =>
    changePolicy(world, { shutdownPolicy: shutdownPolicySchema.parse(work) }),
  ),
  "kill relay of VM": killRelay,
  "kill copies of VM on HOST": killCopies,
  "hang copies of VM on HOST": hangCopies,
  "fill copies on HOST": fillCopies,
  "group pause RULE": turnGroup(true),
  "group resume RULE": turnGroup(false),
  "group resume by hand RULE": orderWith(
    ({ rule }) =>
      (view, _event, asked) =>
        planSetGroup(view, { group: rule, resume: "manual" }, asked),
  ),
  "group delete RULE": orderWith(deleteGroup("keep")),
  "group delete RULE with its copies": orderWith(deleteGroup("remove")),
  "accept the loss of VM on HOST": orderWith(acceptLoss),
  "go back with VM on HOST": orderWith(goBack("silent")),
  "go back with running VM on HOST": orderWith(goBack("up")),
  "group set RULE every TIME": orderWith(({ rule, value }) => {
    const mode = { mode: "asynchronous", everyS: Math.round(value / 1_000), lossS: 60 } as const;
    return (view, _event, asked) => planSetGroup(view, { group: rule, ...mode }, asked);
  }),
  "group set RULE to each write": orderWith(
    ({ rule }) =>
      (view, _event, asked) =>
        planSetGroup(view, { group: rule, mode: "synchronous" }, asked),
  ),
  "points of RULE every TIME": orderWith(schedule),
  "point take VM": orderWith(takePoint),
  "point drop VM": orderWith(dropPoint),
  "point export VM": orderWith(exportPoint),
  "point test VM": orderWith(testPoint),
  "disarm freeze": done((world) => disarm(world, "freeze")),
  "disarm ignore": done((world) => disarm(world, "ignore")),
  arm: done((world) => disarm(world, null)),
  "second machine registers as HOST": secondMachine,
  "take over at HOST": done((world, { hosts }) =>
    takeOver(world, world.host(hosts[0]), steadyRandom(`takeover ${world.scheduler.now}`)),
  ),
  "stop agent of HOST in the midst of its takeover": asItIsWritten((world, args, forMs) =>
    stop(world, { ...args, process: "agent" }, forMs),
  ),
  "power off HOST in the midst of its takeover": asItIsWritten(powerOff),
};
