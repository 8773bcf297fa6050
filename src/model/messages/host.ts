import type { Catalogue } from "./message.ts";

/** A host's own configuration and equipment. */
export const hostMessages = {
  "config-unreadable": {
    cause: "The configuration {file} cannot be read ({cause}).",
    effect: "The process did not start. VMs that run on this host are not touched.",
    remedy: "Name the right file with --config, and make it readable for root.",
  },
  "config-not-yaml": {
    cause: "The configuration {file} is not YAML: {cause}.",
    effect: "The process did not start. VMs that run on this host are not touched.",
    remedy: "Correct the file at the place that is named.",
  },
  "config-invalid": {
    cause: "The configuration {file} does not fit at {field}: {cause}.",
    effect: "The process did not start. VMs that run on this host are not touched.",
    remedy: "Correct that field.",
  },
  "journal-trouble": {
    cause: "An event could not be written to this host's journal ({cause}).",
    effect: "It is kept in memory and written with the next one; the store keeps the recent ones, too.",
    remedy: "Free the disk of the host's stateDir.",
  },
  "journal-unreadable": {
    cause: "The journal {path} cannot be opened ({cause}).",
    effect: "This host keeps its history in memory; the store and the other hosts have theirs. VMs are not touched.",
    remedy:
      "Free the disk if it is full: the file is taken into use within seconds. A damaged one may be moved away: the recent history is copied anew from the store.",
  },
  "journal-too-new": {
    cause: "The journal {path} was written by a later version (layout {cause}).",
    effect: "It was left as it is; this host keeps its history in memory. VMs are not touched.",
    remedy: "Bring this host's Holdfast to the later version again.",
  },
  "journal-on-disk": {
    cause: "The journal {path} opens again.",
    effect: "What was kept in memory meanwhile is in it.",
    remedy: "None is needed.",
  },
  "cluster-foreign": {
    cause:
      "The store holds cluster {found} in format {format}; this host belongs to {wanted} and knows format {known}.",
    effect: "holdfastd ended. It never works on a store that is not its own.",
    remedy: "Correct the host's configuration (store endpoints, cluster), or bring Holdfast to the store's version.",
  },
  "store-went-back": {
    cause: "The store is at revision {found}; this host has seen it at {known}: it was put back to an earlier state.",
    effect:
      "Nothing is decided or started on it, and VMs stand still from their host's deadline on: owners and fences in it may be those of the past.",
    remedy:
      "If it was restored on purpose: make sure that no host runs a VM (switch them off), move events.sqlite out of the state folder of each, and start them again. Else bring the newer store back.",
  },
  "store-leader-moved": {
    cause: "The store's leader ran on a host that is silent.",
    effect: "The member at {to} leads now, so that a fence of that host costs no election.",
    remedy: "None is needed.",
  },
  "store-leader-not-moved": {
    cause: "The store's leader runs on a host that is silent, and could not be moved ({cause}).",
    effect: "Where that host is fenced, its VMs start some seconds later: the store elects a leader first.",
    remedy: "None is needed: it is tried again.",
  },
  "store-out-of-space": {
    cause: "The cluster's store is full.",
    effect: "No heartbeat and no change is taken: VMs freeze at their deadline, and nobody is fenced.",
    remedy: "Holdfast makes room by itself now; if it comes again, raise the store's quota.",
  },
  "store-space-made": "The store has room again.",
  "store-housekeeping-failed": {
    cause: "The store could not be tidied ({cause}).",
    effect: "Its file keeps growing; it is tried again in a minute.",
    remedy: "Look at the store's members: holdfast cluster status.",
  },
  trouble: "{line}",
  "clock-slew": {
    cause: "The time daemon of host {host} may bend its clock by {ppm} ppm; deadlines count on {most} at most.",
    effect:
      "Where it does so, the host's VMs may stand still later, or others wait for it more briefly, than they should.",
    remedy: "Set `maxslewrate {most}` in chrony's configuration on that host and restart chrony.",
  },
  "clock-apart": {
    cause: "The clock of host {host} is {seconds} s {way} the manager's.",
    effect:
      "Nothing that keeps VMs from running twice rests on it; times in logs, and losses told in seconds, are wrong by it.",
    remedy: "Let a time daemon (chrony) set the clocks of all hosts from the same source.",
  },
  "heartbeats-too-many": {
    cause:
      "{hosts host sends|hosts send} {perSecond heartbeat|heartbeats} a second; the store is meant to bear {most}.",
    effect: "Heartbeats may commit late, and healthy hosts' VMs stand still.",
    remedy: "Use a profile with a longer time between heartbeats on every host, or make two clusters.",
  },
  watchdog: {
    cause: "Host {host} has no watchdog device.",
    effect: "Its two guards are the only stop: if both fail at once, nothing resets the host.",
    remedy: "Name a watchdog device in the host's configuration (`watchdog: /dev/watchdog`).",
  },
  "state-disk-full": {
    cause: "The disk of {path} on host {host} has {freeMiB} of {totalMiB} MiB left.",
    effect: "When it is full, the host's member of the store ends and its journal stops; VMs that run go on.",
    remedy: "Free room on it (`du -x {path}`), or give it a larger disk.",
  },
  "state-disk-unreadable": {
    cause: "How full the disk of {path} on host {host} is cannot be read.",
    effect: "Nobody would be warned before it is full.",
    remedy: "Check that the folder exists and is mounted.",
  },
  "copies-edited": {
    cause: "Somebody else wrote the copy of VM {vm} on host {host} while it was received: {detail}.",
    effect:
      "What was written there is not what the VM wrote. The VM goes on, and so does its copy, which still counts: a failover to it may start from what was written.",
    remedy:
      "Find out who works in the pool's folder. To have the copy made anew: `group delete … --replicas remove` for the group of {vm}, and create the group again once its copies are gone. Where it was harmless, or the VM runs from it by now and its file systems were checked, delete on {host}: {notes}",
  },
  "copies-unwatched": {
    cause: "Nobody sees who else writes the images of copies on host {host} (VM {vms}): {why}",
    effect:
      "They are received and used all the same. Where somebody opens one of them and changes it, it passes for a good copy, and nothing tells.",
    remedy:
      "holdfastd needs to be root with CAP_SYS_ADMIN, the kernel fanotify, and the program `holdfast-watch` has to be there (`npm run lab` builds it). It is tried again every few seconds.",
  },
} satisfies Catalogue;
