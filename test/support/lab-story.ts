import type { HostId, VmId } from "../../src/model/ids.ts";
import { type Decision, decisionsOf, type Holder, type StoreChange } from "../../src/sim/scenario/decisions.ts";
import type { FoundPhrase, PhraseId } from "../../src/sim/scenario/phrase-words.ts";
import { tellDecision } from "../../src/sim/scenario/tell.ts";
import type { TestLab, TestVm } from "./lab-cluster.ts";
import type { History } from "./lab-history.ts";

/** Which host of the lab plays which host of the story. */
export type Roles = ReadonlyMap<string, string>;
type Undo = () => Promise<unknown>;
type LabPlay = (
  lab: TestLab,
  where: { readonly hosts: readonly string[]; readonly process: string; readonly vm: TestVm | undefined },
) => Promise<Undo | undefined>;

function vmOf(vm: TestVm | undefined): TestVm {
  if (vm === undefined) throw new Error("The phrase names no VM of the lab");
  return vm;
}

/** What the lab can play; a story marked `# lab: yes` uses nothing else. */
const plays: { readonly [Id in PhraseId]?: LabPlay } = {
  "cut HOST": async (lab, { hosts: [host = ""] }) => {
    await lab.fault("cut", { host });
    return () => lab.fault("heal", { host });
  },
  "cut network": async (lab) => {
    await lab.fault("outage");
    return () => lab.fault("heal");
  },
  "power off HOST": async (lab, { hosts: [host = ""] }) => {
    await lab.fault("power-off", { host });
    return undefined;
  },
  "power on HOST": async (lab, { hosts: [host = ""] }) => {
    await lab.fault("power-on", { host });
    return undefined;
  },
  "stop PROCESS of HOST": async (lab, { hosts: [host = ""], process }) => {
    await lab.fault("freeze", { host, process });
    return () => lab.fault("thaw", { host, process });
  },
  "kill PROCESS of HOST": async (lab, { hosts: [host = ""], process }) => {
    await lab.fault("kill", { host, process });
    return undefined;
  },
  "crash VM": async (lab, { vm }) => {
    await lab.fault("kill", { host: vmOf(vm).owner().host, process: `qemu:${vmOf(vm).id}` });
    return undefined;
  },
  "order start VM": async (lab, { vm }) => {
    await lab.client().vm.start({ vm: vmOf(vm).name });
    return undefined;
  },
  "order stop VM": async (lab, { vm }) => {
    await lab.client().vm.stop({ vm: vmOf(vm).name });
    return undefined;
  },
};

/** Plays a phrase with real processes and cables; returns what undoes it. */
export function playInLab(lab: TestLab, { id, args }: FoundPhrase, roles: Roles, vms: ReadonlyMap<string, TestVm>) {
  const play = plays[id];
  if (play === undefined) throw new Error(`The lab cannot play: ${id}`);
  const hosts = args.hosts.map((host) => roles.get(host) ?? host);
  return play(lab, { hosts, process: args.process, vm: vms.get(args.vm) });
}

/** Who manages, and what is only said, depends on moments; what was decided does not. */
const compared: readonly Decision["kind"][] = [
  "fenced",
  "device",
  "proven",
  "joined",
  "placed",
  "taken-over",
  "restarted",
  "adopted",
  "released",
  "lost-released",
];

/** The decisions of a story in their order, as text, free of times and of who wrote them. */
export function orderOf(decisions: readonly Decision[]): string[] {
  const named = (vm: VmId): string => vm.slice(vm.indexOf(":") + 1);
  return decisions.filter(({ kind }) => compared.includes(kind)).map((decision) => tellDecision(decision, named).what);
}

/** Everything decided in the lab after `from` entries, numbered as if each host and VM had begun there with 1. */
export function decidedInLab(history: History, from: number, roles: Roles): Decision[] {
  const stands = new Map<string, unknown>();
  const decisions: Decision[] = [];
  const rename = renaming(history, from, roles);
  let group: StoreChange[] = [];
  history.entries.forEach((entry, i) => {
    const value = entry.value ?? undefined;
    if (i >= from) group.push({ name: entry.name, value, before: stands.get(entry.key) });
    stands.set(entry.key, value);
    if (i < from || history.entries[i + 1]?.revision === entry.revision) return;
    decisions.push(...decisionsOf(group).map(rename));
    group = [];
  });
  return decisions;
}

/** Host names of the story; incarnations and epochs counted from where the story began. */
function renaming(history: History, from: number, roles: Roles): (decision: Decision) => Decision {
  const incarnations = new Map<string, number>();
  const epochs = new Map<string, number>();
  const names = new Map<string, string>();
  for (const { name, value } of history.entries.slice(0, from)) {
    const fields = (value ?? {}) as { incarnation?: number; epoch?: number; name?: string };
    if (name.kind === "host") incarnations.set(name.host, fields.incarnation ?? 1);
    if (name.kind === "owner") epochs.set(name.vm, fields.epoch ?? 1);
    if (name.kind === "vm") names.set(name.vm, fields.name ?? name.vm);
  }
  const roleOf = new Map([...roles].map(([story, real]) => [real, story as HostId]));
  const hostOf = (host: HostId): HostId => roleOf.get(host) ?? host;
  const where = <T extends { host: HostId; incarnation: number }>(at: T): T => ({
    ...at,
    host: hostOf(at.host),
    incarnation: at.incarnation - (incarnations.get(at.host) ?? 1) + 1,
  });
  const holder = (at: Holder, vm: VmId): Holder => {
    const epoch = at.epoch - (epochs.get(vm) ?? 1) + 1;
    return { ...where(at), epoch: epoch as Holder["epoch"] };
  };
  return (decision) => {
    let next: Decision = decision;
    if ("incarnation" in next) next = where(next);
    if ("leaves" in next) next = { ...next, leaves: hostOf(next.leaves) };
    if ("aim" in next) next = { ...next, aim: hostOf(next.aim) };
    if ("vm" in next && next.vm !== undefined) {
      const { vm } = next;
      if ("from" in next) next = { ...next, from: holder(next.from, vm) };
      if ("to" in next) next = { ...next, to: holder(next.to, vm) };
      next = { ...next, vm: `vm:${names.get(vm) ?? vm}` as VmId };
    }
    return next;
  };
}
