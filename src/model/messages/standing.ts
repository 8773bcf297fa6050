import type { Catalogue } from "./message.ts";

/** How a protected VM stands: what one host knows beyond the store, and why one that is down does not start by itself. */
export const standingMessages = {
  "group-vm-waits-here": {
    cause:
      "By the word of {here} itself, which is newer than the store's: a write of VM {vm} waits for its copy on host {host}.",
    effect: "The guest stands still there until {host} answers, or it is on record that the VM goes on without it.",
    remedy: "Bring back {host}, or the link to it; see `holdfast cluster status` whether the store takes records.",
  },
  "group-vm-alone-here": {
    cause:
      "By the word of {here} itself, which the store was not told yet: VM {vm} has gone on without its copy on host {host} for {seconds} s.",
    effect: "What it writes meanwhile is lost with {here}; MiB that only {here} has: {atRiskMiB}.",
    remedy:
      "Bring back {host}, or the link to it: it is recorded then, and what is missing is copied, by itself. Where {host} is off for longer: `holdfast cluster takeover --peer-is-off`.",
  },
  "group-vm-maybe-alone": {
    cause:
      "Host {from}, which runs VM {vm}, is not heard here: it may have gone on without the copy on {host}, which nobody else would know.",
    effect: "That the copy has every write, as the store last said, may be so no more. It is not taken by itself.",
    remedy:
      "Ask there: `holdfast group show`. Bring back {from}, or the link to it; where it is off: `holdfast cluster takeover --peer-is-off --dry-run` tells what the VM may lack.",
  },
  "group-vm-down-while-paused": {
    cause:
      "Host {lost} of VM {vm} is silent or lost, and its group {group} was paused, so that its copy on {host} lacks the last {seconds} s before that.",
    effect:
      "It does not go on by itself, because acknowledged writes would be lost: it waits for {lost}, or for an order.",
    remedy:
      "Bring back {lost}: it goes on there with everything. Or `holdfast group failover {group} --vm {vm}`, which shows what is lost and the `--accept …` that takes it.",
  },
  "group-vm-down-copy-behind": {
    cause: "Host {lost} of VM {vm} is silent or lost, and its copy on {host} lacks the last {seconds} s before that.",
    effect:
      "It does not go on by itself, because acknowledged writes would be lost: it waits for {lost}, or for an order.",
    remedy:
      "Bring back {lost}: it goes on there with everything. Or `holdfast group failover {group} --vm {vm}`, which shows what is lost and the `--accept …` that takes it.",
  },
  "group-vm-down-copy-unclear": {
    cause:
      "Host {lost} of VM {vm} is silent or lost, and nobody can say what its copy on {host} lacks of what it wrote.",
    effect:
      "It does not go on by itself, because acknowledged writes may be lost: it waits for {lost}, or for an order.",
    remedy:
      "Bring back {lost}: it goes on there with everything. Or `holdfast group failover {group} --vm {vm}`, which shows what is known of it and the `--accept …` that takes it.",
  },
  "group-vm-down-without-copy": {
    cause:
      "VM {vm} is down: its host {lost} is silent or lost, and no guest could start from its copy on {host} as it is.",
    effect: "The VM is down while {lost} is.",
    remedy:
      "Bring back {lost}. Or go back to a recovery point: `holdfast point list --vm {vm}`, then `holdfast group failover {group} --vm {vm} --to-point POINT`, which shows what is lost.",
  },
} satisfies Catalogue;
