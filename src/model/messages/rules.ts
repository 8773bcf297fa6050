import type { Catalogue } from "./message.ts";

/** Why affinity rules cannot be followed: beside a rule that stands, and as the refusal of an edit that leads there. */
const failing = {
  "rule-vm-in-two-host-rules": {
    cause: "Rules {rule} and {other} both say on which hosts VM {vm} runs.",
    effect: "While both stand, neither is followed; an edit that leads here is refused.",
    remedy: "Take the VM out of one (`holdfast rule set {other} --remove-vm {vm}`), or disable or remove one.",
  },
  "rule-needs-two-vms": {
    cause: "Rule {rule} is about how VMs lie to each other, but {vm} is its only VM.",
    effect: "It says nothing, and is not followed.",
    remedy: "Add another VM (`holdfast rule set {rule} --add-vm VM`), or remove the rule.",
  },
  "rule-more-vms-than-hosts": {
    cause: "Rule {rule} keeps {vms} VMs apart, each on a host of its own; the cluster has {hosts} hosts.",
    effect: "The rule is not followed at all, not even for some of its VMs; an edit that leads here is refused.",
    remedy: "Keep at most {hosts} VMs in the rule (`holdfast rule set {rule} --remove-vm VM`), or add hosts.",
  },
  "rule-together-and-apart": {
    cause: "VMs {vm} and {other} have to be on one host by {together}, and not on one host by {apart}.",
    effect: "While all of these rules stand, none of them is followed; an edit that leads here is refused.",
    remedy: "Take one of the two VMs out of one side, or disable or remove {apart} or what keeps the two together.",
  },
  "rule-priorities-beside-vm-rule": {
    cause: "Rule {hostRule} prefers some hosts to others for VM {vm}, and rule {vmRule} ties that VM to other VMs.",
    effect:
      "The two would pull it back and forth: while both stand, neither is followed; an edit that leads here is refused.",
    remedy: "Give all hosts of {hostRule} the same priority, or take {vm} out of one of the two rules.",
  },
  "rule-team-in-two-host-rules": {
    cause:
      "By {together}, VMs {vm} and {otherVm} have to be on one host; rule {hostRule} says on which hosts {vm} runs, and rule {other} on which hosts {otherVm} runs.",
    effect: "While all of these rules stand, none of them is followed; an edit that leads here is refused.",
    remedy: "Put both VMs into one of the two rules for hosts, and take them out of the other one.",
  },
  "rule-too-few-hosts-to-be-apart": {
    cause: "Rule {rule} keeps {count} VMs apart ({vms}) that other rules ({hostRules}) tie to fewer hosts: {hosts}.",
    effect: "While all of these rules stand, none of them is followed; an edit that leads here is refused.",
    remedy: "Add hosts to one of {hostRules}, or take VMs out of {rule}.",
  },
} satisfies Catalogue;

export const ruleMessages = { ...failing } satisfies Catalogue;
