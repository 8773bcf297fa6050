import type { GuestCpu } from "../model/host-records.ts";
import type { HostId, VmId } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { HostFacts, Vm } from "../model/records.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { ruleBook } from "./rules/rule-book.ts";

// Which processors guests can be shown, and where one that runs finds the same again (PL8).

/** Instead of a model's name: the best one that all hosts can run on which the VM may be. */
export const compatible = "compatible";

/** All that a host has: another one for each host. */
const wholeHost: ReadonlySet<string> = new Set(["host", "max"]);

/** QEMU's models by vendor, the best first; those of the same age without what later microcode took away. */
const intel = [
  ["SapphireRapids", "Icelake-Server-noTSX", "Cooperlake", "Cascadelake-Server-noTSX"],
  ["Skylake-Server-noTSX-IBRS", "Skylake-Client-noTSX-IBRS", "Broadwell-noTSX-IBRS", "Broadwell-noTSX"],
  ["Haswell-noTSX-IBRS", "Haswell-noTSX", "IvyBridge-IBRS", "IvyBridge", "SandyBridge-IBRS", "SandyBridge"],
  ["Westmere-IBRS", "Westmere", "Nehalem-IBRS", "Nehalem", "Penryn", "Conroe"],
].flat();
const amd = [
  ["EPYC-Genoa", "EPYC-Milan", "EPYC-Rome", "EPYC-IBPB", "EPYC"],
  ["Opteron_G5", "Opteron_G4", "Opteron_G3", "Opteron_G2", "Opteron_G1"],
].flat();
/** Every host has these, whoever made it. */
const common = ["qemu64", "kvm64"] as const;

/** The model that QEMU is to show: a start now. */
export function cpuModelAtStart(view: ClusterView, vm: Vm): string {
  const { cpuModel } = vm.spec;
  return cpuModel === compatible ? bestModel(chosenHosts(view, vm.id)) : cpuModel;
}

/** The model that a run has: as its agent noted it, for one that was found out at its start. */
export function cpuModelOfRun(view: ClusterView, vm: Vm): string {
  return view.statuses.get(vm.id)?.value.cpuModel ?? cpuModelAtStart(view, vm);
}

/** Equipment of all hosts on which rules let the VM be, as far as it is known. */
function chosenHosts(view: ClusterView, vm: VmId): HostFacts[] {
  const book = ruleBook(view);
  const allowed = [...view.facts].filter(([host]) => !book.binds(vm) || book.classOf(vm, host) !== undefined);
  return allowed.map(([, { value }]) => value);
}

/** The best that all of them can run. Where their makers differ only what is common to all is. */
function bestModel(hosts: readonly HostFacts[]): string {
  const known = hosts.flatMap(({ guestCpu, accel }) => (guestCpu === undefined ? [] : [{ guestCpu, accel }]));
  // An emulated processor is nobody's make: it is called what its model is.
  const vendors = new Set(known.filter(({ accel }) => accel === "kvm").map(({ guestCpu }) => guestCpu.vendor));
  const [vendor] = vendors;
  const ranked =
    vendors.size > 1 ? [] : vendor === "AuthenticAMD" ? amd : vendor === undefined ? [...intel, ...amd] : intel;
  const runs = (model: string): boolean =>
    known.length > 0 && known.every(({ guestCpu }) => guestCpu.models[model]?.length === 0);
  return [...ranked, ...common].find(runs) ?? common[0];
}

/** What a host lacks to start a guest with this model; undefined: nothing, or nobody asked its QEMU yet. */
export function whyCannotShow(host: HostId, facts: HostFacts, model: string): Reason | undefined {
  const { guestCpu } = facts;
  if (guestCpu === undefined || model === compatible) return undefined;
  const { name, added } = partsOf(model);
  const params = { host, model: name };
  const lacks = wholeHost.has(name) ? [] : guestCpu.models[name];
  // Versions of a model (`-v2`) are not in the list.
  if (lacks === undefined) {
    return /-v\d+$/u.test(name) ? undefined : { rule: "PL8", code: "cpu-model-unknown-there", params };
  }
  const missing = [...lacks, ...added.filter((flag) => !guestCpu.flags.includes(flag))];
  if (missing.length === 0) return undefined;
  return { rule: "PL8", code: "cpu-flags-missing", params: { ...params, missing: someOf(missing) } };
}

/**
 * Why the guest of a VM that runs on `from` cannot go on at `to` while it runs: across makers never; with all that its host
 * has, only where nothing of that is missing. Undefined: it can, or nobody asked their QEMUs yet.
 */
export function whyNotLive(view: ClusterView, vm: Vm, from: HostId, to: HostId): Reason | undefined {
  const source = view.facts.get(from)?.value;
  const target = view.facts.get(to)?.value;
  if (source?.guestCpu === undefined || target?.guestCpu === undefined) return undefined;
  const params = { host: to, from };
  if (source.accel !== target.accel)
    return { rule: "PL8", code: "cpu-accel-differs", params: { ...params, accel: target.accel, was: source.accel } };
  const vendors = { vendor: target.guestCpu.vendor, was: source.guestCpu.vendor };
  if (vendors.vendor !== vendors.was)
    return { rule: "PL8", code: "cpu-vendor-differs", params: { ...params, ...vendors } };
  const model = cpuModelOfRun(view, vm);
  if (!wholeHost.has(partsOf(model).name)) return whyCannotShow(to, target, model);
  const missing = missingOf(source.guestCpu, target.guestCpu);
  if (missing.length === 0) return undefined;
  return { rule: "PL8", code: "cpu-flags-missing", params: { host: to, model, missing: someOf(missing) } };
}

/** As `whyNotLive`, of a VM where it is held now; undefined also where nobody runs it. */
export function whyNotLiveTo(view: ClusterView, vm: Vm, to: HostId): Reason | undefined {
  const owner = view.owners.get(vm.id)?.value;
  const runs = owner?.kind === "held" && fenceOf(view, owner.host, owner.incarnation) === undefined;
  return runs && owner.host !== to ? whyNotLive(view, vm, owner.host, to) : undefined;
}

function missingOf(source: GuestCpu, target: GuestCpu): string[] {
  const there = new Set(target.flags);
  return source.flags.filter((flag) => !there.has(flag));
}

/** `Skylake-Client,+aes,-hle`: the name, and what is asked for besides. */
function partsOf(model: string): { readonly name: string; readonly added: readonly string[] } {
  const [name = "", ...changes] = model.split(",");
  const added = changes.flatMap((change) => /^\+(.+)$/u.exec(change)?.[1] ?? /^(.+)=on$/u.exec(change)?.[1] ?? []);
  return { name, added };
}

const toldMax = 12;

function someOf(flags: readonly string[]): string {
  const more = flags.length - toldMax;
  return more > 0 ? `${flags.slice(0, toldMax).join(", ")} and ${more} more` : flags.join(", ");
}
