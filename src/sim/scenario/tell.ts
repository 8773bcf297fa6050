import type { VmId } from "../../model/ids.ts";
import type { Rule } from "../../model/rules.ts";
import type { Decision, Holder } from "./decisions.ts";

/** What a decision is told as, and the rule that it rests on. */
export type Told = { readonly what: string; readonly rule: string };

const imageWords: Readonly<Record<Extract<Decision, { kind: "image" }>["is"], (vm: string, on: string) => string>> = {
  made: (vm, on) => `makes an image for a disk of ${vm} on ${on}`,
  kept: (vm, on) => `keeps the old disk of ${vm} on ${on}`,
  "given-up": (vm, on) => `gives up an image of ${vm} on ${on}`,
  over: (vm, on) => `is done with an image of ${vm} on ${on}`,
};

const removalWords: Readonly<Record<Extract<Decision, { kind: "removed" }>["is"], string>> = {
  out: "is removed from the cluster",
  "out-of-the-store": "has left the store",
  "taken-back": "may join again",
};

const aloneWords: Readonly<Record<Extract<Decision, { kind: "alone" }>["is"], string>> = {
  begun: "begins to write what follows from going on without",
  written: "has written all that follows from going on without",
  over: "votes again, after the store went on without:",
};

/** `nameOf`: what people call the VM. */
export function tellDecision(decision: Decision, nameOf: (vm: VmId) => string): Told {
  switch (decision.kind) {
    case "fenced":
      return { what: `fences ${of(decision)}, cause ${decision.cause}`, rule: fenceRules[decision.cause] ?? "S9" };
    case "device":
      return decision.device === "begun"
        ? { what: `power of ${of(decision)} is to be cut`, rule: "S9" }
        : { what: `power of ${of(decision)} is left alone`, rule: "S11" };
    case "proven":
      return { what: `${of(decision)} is proven gone: ${decision.proof}`, rule: "S9" };
    case "joined":
      return { what: `joins as ${of(decision)}`, rule: "S1" };
    case "leads":
      return { what: `takes the office, term ${decision.term}`, rule: "S12" };
    case "wanted":
      return { what: `${nameOf(decision.vm)} is wanted ${decision.requested}`, rule: "" };
    case "deleted":
      return { what: `${nameOf(decision.vm)} is deleted`, rule: "" };
    case "answered":
      return { what: `${decision.intent} of ${nameOf(decision.vm)}: ${decision.answer}`, rule: "" };
    case "asked":
      return { what: `${nameOf(decision.vm)} is ordered to ${decision.order}`, rule: "" };
    case "moves":
      return {
        what: `${nameOf(decision.vm)} is to move ${decision.leaves} -> ${decision.aim}: ${decision.why}`,
        rule: "HM1",
      };
    case "move-answered":
      return { what: `${nameOf(decision.vm)} cannot move to ${decision.aim}: ${decision.code}`, rule: "HM2" };
    case "image":
      return { what: imageWords[decision.is](nameOf(decision.vm), decision.on), rule: "S15" };
    case "awaits":
      return { what: `waits for ${nameOf(decision.vm)} from ${decision.leaves}`, rule: "S15" };
    case "quit":
      return { what: `${nameOf(decision.vm)} has left ${decision.leaves}`, rule: "S15" };
    case "place-changed":
      return { what: `${nameOf(decision.vm)} belongs to ${decision.aim} from now on`, rule: "HM1" };
    case "copy":
      return { what: `copy of ${nameOf(decision.vm)} on ${decision.host}: ${decision.state}`, rule: "S17" };
    case "point":
      return { what: `point of ${nameOf(decision.vm)} on ${decision.host}: ${decision.is}`, rule: "S20" };
    case "back": {
      const what = decision.is === "ordered" ? "are to go back to a point" : "went back";
      return { what: `disks of ${nameOf(decision.vm)} on ${decision.on} ${what}`, rule: "S20" };
    }
    case "group":
      return { what: `group ${decision.group} ${decision.is}`, rule: "" };
    case "errs":
      return { what: `${nameOf(decision.vm)} is in error: ${decision.code}`, rule: "HM2" };
    case "mode":
      return decision.mode === "active"
        ? { what: "is back at work", rule: "HM4" }
        : { what: `is about to go: ${decision.next}, its VMs by ${decision.mode}`, rule: "HM4" };
    case "alone":
      return { what: `${aloneWords[decision.is]} ${decision.hosts.join(", ")}`, rule: "S24" };
    case "maintains":
      return { what: `maintenance of ${decision.host} ${decision.on ? "begins" : "ends"}`, rule: "" };
    case "removed":
      return { what: `${decision.host} ${removalWords[decision.is]}`, rule: "HM7" };
    case "rules":
      return { what: `rule ${decision.rule} ${tellRule(decision.is, nameOf)}`, rule: "AF6" };
    case "says":
      return tellSaid(decision, nameOf);
    default:
      return tellOwner(decision, nameOf(decision.vm));
  }
}

function tellRule(rule: Rule | undefined, nameOf: (vm: VmId) => string): string {
  if (rule === undefined) return "is gone";
  const hosts = rule.kind === "host-affinity" ? rule.hosts.map(({ host, priority }) => `${host}:${priority}`) : [];
  const says =
    rule.kind === "vm-affinity" ? rule.affinity : `${rule.strict ? "only" : "rather"} on ${hosts.join(", ")}`;
  return `is${rule.enabled ? "" : " off"}: ${rule.vms.map(nameOf).join(", ")} ${says}`;
}

type OwnerDecision = Extract<Decision, { vm: VmId }> & {
  readonly kind:
    | "placed"
    | "taken-over"
    | "handed"
    | "restarted"
    | "leapt"
    | "adopted"
    | "released"
    | "lost-released"
    | "forgiven";
};

function tellOwner(decision: OwnerDecision, vm: string): Told {
  switch (decision.kind) {
    case "placed":
      return { what: `${vm} free -> ${run(decision.to)}`, rule: "S14" };
    case "taken-over":
      return { what: `${vm} ${run(decision.from)} -> ${run(decision.to)}`, rule: "S10" };
    case "handed":
      return { what: `${vm} ${run(decision.from)} -> ${run(decision.to)}, handed over`, rule: "S15" };
    case "restarted":
      return { what: `${vm} again -> ${run(decision.to)}, it ended: ${decision.exit}`, rule: "S14" };
    case "leapt":
      return { what: `${vm} leaps to ${run(decision.to)}`, rule: "S24" };
    case "adopted":
      return { what: `${vm} ${run(decision.from)} -> ${run(decision.to)}, claimed back`, rule: "S11" };
    case "released":
      return {
        what: `${vm} ${run(decision.from)} -> free, ${decision.failed === null ? "nothing of it is left" : `failed: ${decision.failed}`}`,
        rule: "S14",
      };
    case "lost-released":
      return { what: `${vm} ${run(decision.from)} -> free, not wanted`, rule: "S10" };
    case "forgiven":
      return { what: `${vm}: its failures are forgotten`, rule: "" };
  }
}

const fenceRules: Readonly<Record<string, string>> = { silence: "S8", order: "S13", self: "S1", device: "S9" };
const sayRules: Readonly<Record<string, string>> = {
  "vm-nowhere": "PL1",
  "vm-waits-for-proof": "S10",
  "host-silent-not-fenced": "S8",
  "fence-device-failed": "S9",
  "vm-order-dropped": "HM1",
  "vm-order-served": "HM1",
  "vm-move-dropped": "HM1",
  "vm-move-failed": "HM2",
  "vm-move-called-off": "HM2",
  "vm-waits-for-source": "S15",
  "old-copy-does-not-end": "S15",
  "guest-not-let-go-on": "S15",
  "vm-move-given-up": "HM2",
  "vm-cannot-leave": "HM3",
  "vm-locked-cannot-leave": "HM3",
  "vm-paused-not-moved": "HM1",
  "vm-waits-for-host": "HM4",
  "vm-stop-failed": "HM2",
  "scheduler-falls-back": "PL4",
  "vm-waits-its-turn": "HM6",
  "host-flaps": "HM6",
  "replica-lags": "S25",
  "replica-caught-up": "S25",
  "replica-promoted-behind": "S25",
  "replica-promoted-unsaid": "S23",
  "vm-waits-for-order": "S25",
};

function tellSaid(decision: Extract<Decision, { kind: "says" }>, nameOf: (vm: VmId) => string): Told {
  const { code, vm, host, seconds } = decision;
  const subjects = [
    vm === undefined ? [] : [nameOf(vm)],
    host === undefined ? [] : [host],
    seconds === undefined ? [] : [`${seconds} s`],
  ];
  return { what: `says ${code}: ${subjects.flat().join(" ")}`, rule: sayRules[code] ?? "" };
}

function of({ host, incarnation }: { readonly host: string; readonly incarnation: number }): string {
  return `${host}/${incarnation}`;
}

function run(holder: Holder): string {
  return `${of(holder)} epoch ${holder.epoch}`;
}
