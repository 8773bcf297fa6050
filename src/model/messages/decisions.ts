import type { Catalogue } from "./message.ts";

/** Events: what happened. */
const events = {
  "vm-created": "VM {vm} was created (CPUs: {cpus}, memory: {memoryMiB} MiB).",
  "vm-deleted": "VM {vm} was deleted.",
  "vm-changed": "VM {vm} was changed: {to}.",
  "vm-start-requested": "VM {vm} was ordered to start.",
  "vm-stop-requested": "VM {vm} was ordered to stop.",
  "vm-reset-requested": "VM {vm} was ordered to reset.",
  "vm-placed": "VM {vm} starts on {host} as epoch {epoch}.",
  "vm-recovered": "VM {vm} is taken over from {from}: it starts on {host} as epoch {epoch}.",
  "vm-released": "VM {vm} was let go by {host}, which is gone; it is not wanted started.",
  "vm-running": "VM {vm} runs as epoch {epoch}.",
  "vm-paused": {
    cause: "VM {vm} is paused: {by}.",
    effect: "Its guest executes nothing until that is over; it then goes on as it was.",
    remedy:
      "With storage-error a disk could not be read or written: make room in its pool (`holdfast pool list`) or mend the path to it. It is tried again by itself.",
  },
  "vm-restarted":
    "VM {vm} ended ({exit}) and is restarted in place as epoch {epoch} (restart {restarts} of {maxRestart}).",
  "vm-stopped": "VM {vm} has stopped.",
  "vm-failed": "VM {vm} failed on {host}: {exit}.",
  "vms-stood-still": "The VMs of host {host} ({vms}) stood still for {forMs} ms, from {sinceWall} on; they go on.",
  "vm-adopted": "VM {vm} goes on where it was: nobody had taken it over.",
  "vm-nowhere": "VM {vm} cannot start anywhere now; it is tried again as soon as a host fits.",
  "vm-waits-for-proof":
    "VM {vm} is not started elsewhere: that its old host {host} (incarnation {incarnation}) is off is not proven.",
  "vm-stood-still": "VM {vm} stood still on host {host} for {forMs} ms, from {sinceWall} on; it went on.",
  "host-joined": "Host {host} joined as incarnation {incarnation} ({accel}).",
  "host-fenced":
    "Host {host} (incarnation {incarnation}) is fenced because of {cause}: none of its VMs may run there any more.",
  "host-silent-not-fenced":
    "Host {host} has been silent for {silentMs} ms; it is not fenced, because none of its {vms VM|VMs} could start elsewhere.",
  "fence-proof": "It is proven that nothing of host {host} (incarnation {incarnation}) runs any more: {proof}.",
  "fence-device-begun": "The power of host {host} (incarnation {incarnation}) is being cut.",
  "fence-device-failed": "The power of host {host} could not be cut: {cause}. It is tried again.",
  "fence-device-abandoned": "The power of host {host} is left alone: it came back after incarnation {incarnation}.",
  "scheduler-falls-back":
    "Hosts are compared by mode {mode} instead of {wanted}, because figures are missing; with them, {wanted} is used again.",
  "leader-elected": "Host {host} is the manager now.",
  "leader-resigned":
    "Host {host} is no longer the manager: what may become of that host itself, another has to decide.",
  "transaction-too-large": {
    cause:
      "What {about} would write names {compares} records and changes {writes}; the store takes {most} of each at once.",
    effect: "Nothing of it is written. What was decided by itself is decided anew a minute later; all else goes on.",
    remedy:
      "Name fewer VMs or hosts at once, or in one rule. If nothing of that kind was asked for, report it as a bug.",
  },
} satisfies Catalogue;

/** Reasons: why it was decided, and why an alternative was not taken. */
const reasons = {
  "vm-wanted-and-free": "VM {vm} is wanted started and nobody holds it.",
  "starts-where-it-was":
    "VM {vm} is wanted started, nobody holds it, and {host}, where it was, is there and can run it; {to}, where it was to go, cannot.",
  "starts-elsewhere-than-meant":
    "VM {vm} is wanted started and nobody holds it; {to}, where it was to go, cannot take it, and {host} can.",
  "holder-proven-gone": "The host that held VM {vm}, {host} (incarnation {incarnation}), is proven gone: {proof}.",
  "source-silent": "Host {host}, from which it came, is silent.",
  "source-agent-silent": "Host {host}, from which it came, beats, but its agent is silent.",
  "proof-missing": "Its pool asks for a proof that {host} (incarnation {incarnation}) is off, and there is none yet.",
  "host-keeps-vms-frozen": "Host {host} beats, but its guards have kept its VMs frozen for {frozenMs} ms.",
  "agent-gone-vm-down": "The agent of host {host} is silent, and VM {vm} of it does not run.",
  "own-host-silent":
    "No heartbeat of host {host} has been heard for {silentMs} ms, or it is fenced, while others are heard.",
  "host-silent": "Host {host} sent no heartbeat for {silentMs} ms; its own guards stop its VMs before {waitMs} ms.",
  "heartbeat-unconfirmed": "No heartbeat of {host} was confirmed before its deadline.",
  "nobody-took-it": "The host was fenced, but VM {vm} was not started elsewhere, so that its own copy may go on.",
  "run-ended": "The run of VM {vm} ended: {exit}.",
  "host-is-lost": "{host} is the host that was lost.",
  "place-is-lost": "It lay on {host}, which is lost.",
  "host-later-in-order": "{host} would do as well as the chosen one; the order of names decided.",
  "host-has-more-vms": "{host} has {vms VM|VMs}, the chosen one {best}.",
  "host-scores-less": "{host} scores {score}, the chosen one {best} ({mode}).",
  "host-scores-alike": "{host} scores {score} like the chosen one ({mode}); the order of names decided.",
  "host-size-unknown": "{host} has not said how many cores and how much memory it has.",
  "host-use-unknown": "What {host} uses has not been measured since it joined.",
  "hosts-uneven": "The hosts are loaded unevenly: imbalance {before}, after this move from {from} to {to} {after}.",
  "store-loses-majority": "Only {left} of {votes} members would be left: without a majority of them nothing can start.",
  "proof-unobtainable": "Nothing could prove that {host} is off: it has no fence device, and a pool asks for one.",
  "no-host-left": "No host is left for VM {vm}.",
  "disks-lie-on-host":
    "The disks of VM {vm} lie in a local pool of {lies}, and no other host that is there has a whole copy of them.",
  "fix-group":
    "A group that copies its disks to {host} before would do: `holdfast group create`, --from {from} --to {host} --vm {vm}.",
  "fix-host-back": "Host {host} back would do: `holdfast host show {host}` says how it stands.",
  "fix-device": "A fence device for {host} would do.",
  "fix-more-memory": "{mib} MiB more for VMs on {host} would do.",
  "fix-without-rule": "Without rule {rule} it would do.",
  "fix-more-room": "{mib} MiB more room in pool {pool} on {host} would do.",
  "fix-release-host": "Host {host} out of maintenance would do: `holdfast host release {host}`.",
  "fix-pools-and-networks": "The pools and networks of VM {vm} on {host} too would do.",
  "host-in-maintenance": "{host} is in maintenance.",
  "host-record-unreadable": "{host} has a record of its mode or maintenance that this version cannot read.",
  "host-mode-not-active": "{host} is about to go ({mode}).",
  "host-quarantined": "{host} was lost too often and gets no new VMs for another {forMs} ms.",
  "host-not-best": "{host} is not where the rules have the VM any more.",
  "host-not-allowed": "{host} is none of the hosts that {rules} allows.",
  "host-has-vm-apart": "{host} has VM {other}, which a rule keeps apart from this one.",
  "host-in-lower-class": "{host} has priority {class} by the rules; hosts of priority {best} come first.",
  "vm-stays": "{host} could take the VM, but it stays on {best}.",
  "vm-goes-back": "{host} could take the VM, but it goes back to {best}, which it left for maintenance.",
  "vm-belongs-elsewhere": "{host} could take the VM, but most of those that belong together with it are on {best}.",
  "vm-tried-again": "{host} is not tried: the VM has failed on every host, and is tried once more on {best}.",
  "host-not-next": "{host} could take the VM; {best} is next in turn.",
  "host-is-witness": "{host} is a witness: it runs no VMs.",
  "host-never-registered": "{host} has never joined.",
  "host-power-being-cut": "The power of {host} is being cut for an earlier incarnation of it.",
  "host-is-fenced": "{host} is fenced.",
  "host-not-heard": "{host} has not been heard since the manager started, or came back to the store.",
  "host-is-silent": "{host} has been silent for {silentMs} ms.",
  "agent-not-heard-yet": "{host} beats, and its agent is not at work there yet.",
  "agent-is-silent": "{host} beats, but its agent does not answer.",
  "host-facts-unknown": "{host} has not said what it has.",
  "host-memory-short": "{host} has {freeMiB} MiB free; {neededMiB} MiB are needed.",
  "pool-not-on-host": "{host} does not have pool {pool}.",
  "volume-elsewhere": "Its disks lie in a local pool of {lies}, not on {host}.",
  "pool-short": "{host} has {freeMiB} MiB free in its pool {pool}; its disks need {neededMiB}.",
  "pool-unfit": "{host} cannot use pool {pool}: {cause}.",
  "network-not-on-host": "{host} does not have network {network}.",
  "network-unfit": "{host} cannot use network {network}: {cause}.",
  "vm-failed-here": "The VM failed on {host} before.",
  "host-move-failed": "The last move to {host} failed; hosts to which none did come first.",
  "host-links-cut": "No link connected {from} with {host} when that was looked at; hosts that are reached come first.",
  "host-without-link":
    "{from} and {host} have no link in common over which guests may be moved; hosts that are reached come first.",
} satisfies Catalogue;

export const decisionMessages = { ...events, ...reasons } satisfies Catalogue;
