import type { Catalogue } from "./message.ts";

/** Refusals of what people ask of the manager: wishes for VMs, moves, hosts, the policy. */
const vms = {
  "vm-in-error": {
    cause: "VM {vm} has failed and was given up (state failed; as a service: error).",
    effect: "Nothing was changed. It takes no other order before somebody has taken note of the error.",
    remedy:
      "`holdfast explain {vm}` says why. Then `holdfast vm set {vm} --state disabled` clears the error; after that `holdfast vm start {vm}` tries anew, `holdfast vm delete {vm}` removes it.",
  },
  "vm-not-locked": {
    cause: "VM {vm} is not locked.",
    effect: "Nothing was changed.",
    remedy: "Leave out --unlock; see `holdfast vm show {vm}`.",
  },
  "vm-unlocked": "The lock ({lock}) of VM {vm} was taken away by hand.",
  "cluster-disarmed": {
    cause: "The cluster is disarmed ({mode}, by {by}): nothing is started, moved or placed.",
    effect: "Nothing was changed.",
    remedy: "Arm it again with `holdfast cluster arm`, then repeat the command.",
  },
} satisfies Catalogue;

const moves = {
  "move-to-witness": {
    cause: "{host} is a witness: it runs no VMs.",
    effect: "Nothing was changed.",
    remedy: "Name a host; see `holdfast host list`.",
  },
  "move-host-absent": {
    cause: "Host {host} has never joined the cluster.",
    effect: "Nothing was changed.",
    remedy: "Start Holdfast on it first; see `holdfast host list`.",
  },
  "move-host-fenced": {
    cause: "Host {host} is fenced: it may run nothing until it rejoins.",
    effect: "Nothing was changed.",
    remedy: "Wait until `holdfast host list` shows it up, or name another host.",
  },
  "move-host-silent": {
    cause: "Host {host} sends no heartbeats: whether it lives is not known.",
    effect: "Nothing was changed.",
    remedy: "Check its power and its links, or name another host.",
  },
  "move-host-agent-silent": {
    cause: "The agent of host {host} does not answer: it would start nothing.",
    effect: "Nothing was changed.",
    remedy: "It is restarted by its supervisor; try again in a minute, or name another host.",
  },
  "move-host-agent-starting": {
    cause: "Host {host} beats, and its agent has not said yet that it is at work there.",
    effect: "Nothing was changed.",
    remedy: "Try again in some seconds: a host that has just come back is not ready at once.",
  },
  "move-host-record-unreadable": {
    cause: "Host {host} has a record of its mode or maintenance that this version cannot read.",
    effect: "Nothing was changed.",
    remedy: "Ask on a host of the newer version, or name another host.",
  },
  "move-host-in-maintenance": {
    cause: "Host {host} is in maintenance: no VM is placed there.",
    effect: "Nothing was changed.",
    remedy: "`holdfast host release {host}` ends it; or name another host.",
  },
  "move-host-leaving": {
    cause: "Host {host} is about to stop ({next}): no VM is placed there.",
    effect: "Nothing was changed.",
    remedy: "Wait until it is back, or name another host.",
  },
  "move-host-in-quarantine": {
    cause: "Host {host} was lost too often lately and gets no new VMs for now.",
    effect: "Nothing was changed.",
    remedy: "`holdfast host release {host}` takes it back at once; or name another host.",
  },
  "move-host-forbidden": {
    cause: "The rules do not allow VM {vm} on host {host} ({rules}).",
    effect: "Nothing was changed.",
    remedy: "Change the rule first (`holdfast rule list`), or name a host that it allows.",
  },
  "move-host-not-preferred": {
    cause: "For VM {vm} the rules ({rules}) prefer {best} to host {host}, and {best} can take it now.",
    effect: "Nothing was changed: VM {vm} would go to {host}, and at once back again.",
    remedy:
      "Change the rule (`holdfast rule set RULE --host {host}:9`), or let the VM stay where it is ordered (`holdfast vm set {vm} --failback off`). With --force it is moved all the same, and goes back.",
  },
  "move-apart-vm-there": {
    cause: "VM {vm} is to be kept apart from {other}, which is on host {host} or on its way there.",
    effect: "Nothing was changed.",
    remedy: "Move {other} away first, change the rule, or name another host.",
  },
  "move-host-unfit": {
    cause: "Host {host} cannot take VM {vm} now ({why}).",
    effect: "Nothing was changed.",
    remedy: "See `holdfast host show {host}`, or name another host.",
  },
  "move-host-unknown-equipment": {
    cause: "Host {host} has not said what it has.",
    effect: "Nothing was changed.",
    remedy: "Wait until it has rejoined; see `holdfast host show {host}`.",
  },
  "move-pool-missing": {
    cause: "Host {host} does not have pool {pool}, where disks of VM {vm} lie.",
    effect: "Nothing was changed.",
    remedy: "Name a host that has the pool (`holdfast pool list`).",
  },
  "move-disks-elsewhere": {
    cause: "Disks of VM {vm} lie in a local pool of {lies}; only a guest that runs takes them along to {host}.",
    effect: "Nothing was changed.",
    remedy:
      "`holdfast vm migrate` takes them along while it runs; where it does not run, start it where its disks lie first. A relocation would leave them behind. A group (`holdfast group create`) keeps a copy on {host}.",
  },
  "move-away-from-copies": {
    cause:
      "VM {vm} belongs to group {group}: its disks lie on {lies} and are copied to {copy}. To {host} they do not go along.",
    effect: "Nothing was changed.",
    remedy:
      "Name {copy}. Or take it out of the group first (`holdfast group set {group} --remove-vm {vm}`; its copy is given up then), and move it once that is done.",
  },
  "move-copy-not-whole": {
    cause:
      "VM {vm} belongs to group {group}: its disks lie on {lies}, and its copy on {host} is not known to have every write.",
    effect: "Nothing was changed.",
    remedy:
      "`holdfast group show {group}` says what is in the way; once the group is Normal it can go to {host}. What going on from the copy as it is would lose: `holdfast group failover {group}`.",
  },
  "move-pool-short": {
    cause:
      "There is not enough room in the pool {pool} of host {host}: VM {vm} needs {neededMiB} MiB, {freeMiB} are free.",
    effect: "Nothing was changed.",
    remedy: "Free space there, or name another host (`holdfast pool list`).",
  },
  "move-pool-unfit": {
    cause: "Host {host} cannot use pool {pool}, where disks of VM {vm} lie: {cause}.",
    effect: "Nothing was changed.",
    remedy: "Make the pool reachable on {host}, or name another host.",
  },
  "move-network-missing": {
    cause: "Host {host} does not have network {network}, which VM {vm} needs.",
    effect: "Nothing was changed.",
    remedy: "Name a host that has the network; `holdfast host show {host}` lists its own.",
  },
  "move-network-unfit": {
    cause: "Host {host} cannot use network {network}, which VM {vm} needs: {cause}.",
    effect: "Nothing was changed.",
    remedy: "Repair the network on {host}, or name another host.",
  },
  "move-host-full": {
    cause:
      "Host {host} has {freeMiB} MiB free for VMs; {neededMiB} MiB are needed for {vm}[along? and what comes with it].",
    effect: "Nothing was changed.",
    remedy: "Move or stop a VM there first, or name another host; see `holdfast host list`.",
  },
  "move-already-there": {
    cause: "VM {vm} is on host {host} already.",
    effect: "Nothing was changed.",
    remedy: "Nothing needs to be done.",
  },
  "move-guest-paused": {
    cause: "The guest of VM {vm} is paused on host {from} ({by}): as it is it cannot go on elsewhere.",
    effect: "Nothing was changed: it is not stopped for a move of what runs.",
    remedy:
      "Mend what keeps it from going on, then repeat the command; with storage-error a disk could not be read or written: make room in its pool (`holdfast pool list`) or mend the path to it, and it goes on by itself. If it may be stopped, and boot afresh: `holdfast vm relocate {vm} {host}`.",
  },
  "move-of-ignored-vm": {
    cause: "VM {vm} is ignored: Holdfast does nothing with it.",
    effect: "Nothing was changed.",
    remedy: "`holdfast vm set {vm} --state started` has it managed again.",
  },
  "move-of-locked-vm": {
    cause: "VM {vm} is locked by other work ({lock}).",
    effect: "Nothing was changed.",
    remedy: "Wait until that work is done, then repeat the command.",
  },
  "order-dropped": {
    cause: "The order to move VM {vm} to host {host} was dropped.",
    effect: "The VM is where it was, or where the manager had to put it.",
    remedy: "See `holdfast explain {vm}` for why, and order it again if need be.",
  },
  "order-dropped-for": {
    cause: "The order to move VM {vm} to host {host} was dropped: {why}",
    effect: "The VM is where it was, or where the manager had to put it.",
    remedy: "Order it again once that is over, or name another host (`holdfast host list`).",
  },
  "move-failed": {
    cause: "VM {vm} could not be moved to host {host} ({cause}).",
    effect: "It is where it was.",
    remedy: "See `holdfast explain {vm}` for why; correct that, and order it again.",
  },
  "move-ended-elsewhere": {
    cause: "VM {vm} did not reach host {host}: it is on {found} now.",
    effect: "The move ended without reaching its aim.",
    remedy: "See `holdfast explain {vm}` for why, and order it again if need be.",
  },
} satisfies Catalogue;

const hosts = {
  "maintenance-of-witness": {
    cause: "{host} is a witness: it runs no VMs.",
    effect: "Nothing was changed.",
    remedy: "Nothing needs to leave it: stop it as you like, while a majority of the others is up.",
  },
  "maintenance-already": {
    cause: "Host {host} is in maintenance already, by {by}.",
    effect: "Nothing was changed.",
    remedy: "See `holdfast host show {host}`; `holdfast host release {host}` ends it.",
  },
  "leave-of-witness": {
    cause: "{host} is a witness: it runs no VMs that somebody would have to look after.",
    effect: "Nothing was done.",
    remedy: "Shut it down like any machine, while a majority of the others is up.",
  },
  "leave-host-not-heard": {
    cause: "Host {host} is not heard: it cannot be asked to go down in order.",
    effect: "Nothing was done.",
    remedy: "If it is off or hung, it is fenced by itself and its VMs are started elsewhere; see `holdfast host list`.",
  },
  "leave-agent-silent": {
    cause: "The agent of host {host} does not answer: it would not hear the order.",
    effect: "Nothing was done.",
    remedy: "It is restarted by its supervisor; try again in a minute.",
  },
  "leave-loses-majority": {
    cause:
      "Without host {host} only {left} of {votes} members of the cluster would be up: no majority, and nothing works without one.",
    effect: "Nothing was changed. The VMs of all hosts would stand still until enough members are up again.",
    remedy:
      "Bring another member up first (`holdfast host list`). To switch the whole cluster off, stop its VMs, then repeat it with --accept.",
  },
  "leave-already": {
    cause: "Host {host} is going down already ({next}).",
    effect: "Nothing was changed.",
    remedy:
      "`holdfast log --host {host}` tells how far it is; `holdfast host release {host}` takes the order back until it goes.",
  },
  "leave-overtaken": {
    cause: "Host {host} went down, or was fenced, before it heard the order.",
    effect: "Nothing more was done. Its VMs are started elsewhere as after any loss.",
    remedy: "See `holdfast host list`; give the order again if the host is back and is still to go down.",
  },
  "leave-not-answered": {
    cause: "Host {host} did not answer within {waitedMs} ms.",
    effect: "The order stands recorded; it may still be carried out.",
    remedy: "See `holdfast host show {host}` for what it is about to do, and `holdfast log --host {host}`.",
  },
  "release-not-answered": {
    cause: "The agent of host {host} did not answer within {waitedMs} ms that it stays.",
    effect: "The order stands recorded; the host may still go down.",
    remedy: "See `holdfast host show {host}` for what it is about to do, and `holdfast log --host {host}`.",
  },
  "host-not-held-back": {
    cause: "Host {host} is neither in maintenance nor in quarantine, and not about to go down.",
    effect: "Nothing was changed.",
    remedy: "Nothing needs to be done; see `holdfast host show {host}` for its state.",
  },
} satisfies Catalogue;

const cluster = {
  "cluster-disarmed-already": {
    cause: "The cluster is disarmed already ({mode}, by {by}).",
    effect: "Nothing was changed.",
    remedy: "For the other mode arm it first: `holdfast cluster arm`.",
  },
  "cluster-armed-already": {
    cause: "The cluster is not disarmed.",
    effect: "Nothing was changed.",
    remedy: "Nothing needs to be done.",
  },
  "policy-nothing-to-change": {
    cause: "The policy already is as asked.",
    effect: "Nothing was changed.",
    remedy: "Name at least one setting with a new value; see `holdfast policy set --help`.",
  },
  "policy-rebalance-needs-figures": {
    cause: "Automatic rebalancing weighs loads, and the scheduler's mode {mode} only counts VMs.",
    effect: "Nothing was changed.",
    remedy:
      "Give `--scheduler static` or `--scheduler dynamic` with `--auto-rebalance on`, or switch it off with `--auto-rebalance off`.",
  },
  "policy-losses-impossible": {
    cause: "A cluster of {hosts host|hosts} cannot bear the loss of {wanted}.",
    effect: "Nothing was changed.",
    remedy: "Want at most {most}, or add hosts.",
  },
  "policy-link-twice": {
    cause: "Link {link} is named twice.",
    effect: "Nothing was changed.",
    remedy: "Name each link once, in the order in which they are to be tried.",
  },
  "policy-link-unknown": {
    cause: "No host has a link {link}. Known: {known}.",
    effect: "Nothing was changed.",
    remedy:
      "Name kinds of links or subnets, in the order in which they are to be tried; `default` for the usual order.",
  },
  "policy-reserve-too-large": {
    cause: "Host {host} has {memoryMiB} MiB in all; a reserve of {reserveMiB} MiB leaves nothing for VMs.",
    effect: "Nothing was changed.",
    remedy: "Keep less for the hosts themselves.",
  },
} satisfies Catalogue;

const events = {
  "vm-move-cancel-requested": "The move of VM {vm} was called off.",
  "vm-move-requested": "VM {vm} was ordered to host {to} ({how}).",
  "host-leave-requested": "Host {host} was ordered to go down ({next}).",
  "host-leave-taken-back": "The order that host {host} goes down was taken back.",
  "maintenance-requested": "Host {host} was put into maintenance ({reason}).",
  "maintenance-ended": "The maintenance of host {host} was ended.",
  "quarantine-lifted": "The quarantine of host {host} was lifted.",
  "cluster-disarm-requested": "The cluster was ordered to disarm ({mode}).",
  "cluster-arm-requested": "The cluster was armed again.",
  "policy-changed": "The policy was changed: {to}.",
  "pool-changed": "The quota of pool {pool} was changed: {to}.",
} satisfies Catalogue;

export const editMessages = { ...vms, ...moves, ...hosts, ...cluster, ...events } satisfies Catalogue;
