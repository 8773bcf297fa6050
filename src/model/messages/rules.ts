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
    effect: "It would say nothing. It is not followed; an edit that leads here is refused.",
    remedy: "Add another VM (`holdfast rule set {rule} --add-vm VM`), or remove the rule.",
  },
  "rule-more-vms-than-hosts": {
    cause: "Rule {rule} keeps {vms} VMs apart, each on a host of its own; the cluster has {hosts host|hosts}.",
    effect: "The rule is not followed at all, not even for some of its VMs; an edit that leads here is refused.",
    remedy: "Keep at most {hosts VM|VMs} in the rule (`holdfast rule set {rule} --remove-vm VM`), or add hosts.",
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

/** Refusals of an edit for what it says itself. */
const refusals = {
  "rule-unknown": {
    cause: "There is no rule {rule}.",
    effect: "Nothing was changed.",
    remedy: "Known rules: {known}. See `holdfast rule list`.",
  },
  "rule-unreadable": {
    cause: "The record of rule {rule} cannot be read by this version: {trouble}.",
    effect: "Nothing was changed. The hosts of this version do not follow the rule.",
    remedy: "Bring this host's Holdfast to the version of the others.",
  },
  "rule-name-taken": {
    cause: "There is a rule {rule} already.",
    effect: "No rule was added.",
    remedy: "Choose another name, or change the rule that is there (`holdfast rule set {rule}`).",
  },
  "rule-nothing-to-change": {
    cause: "Rule {rule} already is as asked.",
    effect: "Nothing was changed.",
    remedy: "Name at least one setting with a new value; see `holdfast rule set --help`.",
  },
  "rule-vm-twice": {
    cause: "VM {vm} would be in rule {rule} twice.",
    effect: "Nothing was changed.",
    remedy: "Name each VM once; a VM that the rule has already need not be added.",
  },
  "rule-vm-not-in-rule": {
    cause: "VM {vm} is not in rule {rule}.",
    effect: "Nothing was changed.",
    remedy: "The rule has: {vms}. See `holdfast rule show {rule}`.",
  },
  "rule-vms-contradict": {
    cause: "The VMs of rule {rule} were named in two ways that contradict each other.",
    effect: "Nothing was changed.",
    remedy: "Name all its VMs (--vm), or those that come (--add-vm) and go (--remove-vm), each VM once.",
  },
  "rule-would-be-empty": {
    cause: "Rule {rule} would have no VM.",
    effect: "Nothing was changed.",
    remedy: "Name a VM, or remove the rule (`holdfast rule remove {rule}`).",
  },
  "rule-without-hosts": {
    cause: "Rule {rule} would name no host.",
    effect: "Nothing was changed.",
    remedy: "Name at least one host (--host).",
  },
  "rule-host-twice": {
    cause: "Host {host} was named twice for rule {rule}.",
    effect: "Nothing was changed.",
    remedy: "Name each host once, with one priority (--host {host}:PRIORITY).",
  },
  "rule-host-is-witness": {
    cause: "Rule {rule} names {host}, which is a witness: it runs no VMs.",
    effect: "Nothing was changed.",
    remedy: "Name hosts that run VMs; see `holdfast host list`.",
  },
  "rule-setting-of-other-kind": {
    cause: "Rule {rule} is of the kind {kind}, which has no setting {setting}.",
    effect: "Nothing was changed.",
    remedy: "Change a setting that it has (`holdfast rule show {rule}`), or remove it and add one of the other kind.",
  },
  "rule-vms-crowd-on-hosts": {
    cause: "Rule {rule} wants each of {vms} on a host of its own; strict rules leave them only these hosts: {hosts}.",
    effect: "Nothing was changed: one of these VMs could never start.",
    remedy:
      "Take VMs out of rule {rule}, or give the strict rules more hosts; `holdfast rule list --vm VM` shows them.",
  },
  "vm-in-too-many-rules": {
    cause: "VM {vm} would be in more than {most} rules.",
    effect: "Nothing was changed.",
    remedy: "Put VMs that are apart from each other, or together, into one rule with all of them.",
  },
} satisfies Catalogue;

const events = {
  "rule-added": "Rule {rule} was added: {says}, for {vms}.",
  "rule-changed": "Rule {rule} was changed: {says}, for {vms}.",
  "rule-enabled": "Rule {rule} was enabled: {says}, for {vms}.",
  "rule-disabled": "Rule {rule} was disabled: {says}, for {vms}.",
  "rule-removed": "Rule {rule} was removed.",
  "vm-left-rules": "VM {vm} was deleted, and taken out of these rules: {rules}.",
  "rules-emptied": "VM {vm} was deleted, and with it these rules, which had no other VM: {rules}.",
} satisfies Catalogue;

export const ruleMessages = { ...failing, ...refusals, ...events } satisfies Catalogue;
