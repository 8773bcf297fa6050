import type { Catalogue } from "./message.ts";

/** Availability groups: what is refused, and what is told of them. */
export const groupMessages = {
  "group-name-taken": {
    cause: "There is an availability group {group} already.",
    effect: "Nothing has changed.",
    remedy: "Choose another name, or change the group that there is: `holdfast group set {group}`.",
  },
  "group-name-malformed": {
    cause: "A group's name is 2 to 63 letters, digits, hyphens and underscores, and begins with a letter.",
    effect: "Nothing has changed.",
    remedy: "Choose such a name.",
  },
  "group-unknown": {
    cause: "There is no availability group {group}.",
    effect: "Nothing has changed.",
    remedy: "The groups are: {known}.",
  },
  "group-one-host": {
    cause: "Group {group} would copy from host {host} to itself.",
    effect: "Nothing has changed.",
    remedy: "Name two hosts.",
  },
  "group-turned-round": {
    cause:
      "The disks of {vms} lie on host {to}: what is written to them is copied from there to {from}, not from {from} to {to}.",
    effect: "Group {group} was not created.",
    remedy:
      "Create it the other way round: `--from {to} --to {from}`. Or bring the VMs to {from} first: `holdfast vm relocate VM {from}`.",
  },
  "group-copies-going": {
    cause:
      "The earlier copy of VM {vm} on host {host} is still to be removed, as its group was deleted with its replicas.",
    effect:
      "VM {vm} was not taken into group {group}: it would go on with that copy, and nothing of it would be removed.",
    remedy:
      "Have {host} and its pools there, wait until `holdfast log --vm {vm}` says that its images were removed, then ask again.",
  },
  "group-on-witness": {
    cause: "Host {host} is a witness: it has no VMs and no pools.",
    effect: "Group {group} was not created.",
    remedy: "Name two hosts that run VMs.",
  },
  "group-no-link": {
    cause: "Hosts {from} and {to} have no subnet in common.",
    effect: "Group {group} was not created: nothing could be copied.",
    remedy: "Give both hosts an address in one subnet.",
  },
  "group-vm-twice": {
    cause: "VM {vm} is in group {group} already.",
    effect: "Nothing has changed.",
    remedy: "Name each VM once.",
  },
  "group-vm-not-in-it": {
    cause: "VM {vm} is not in group {group}.",
    effect: "Nothing has changed.",
    remedy: "See who is: `holdfast group show {group}`.",
  },
  "group-vm-in-another": {
    cause: "VM {vm} is protected by group {other}.",
    effect: "It was not taken into group {group}: nothing has changed.",
    remedy: "Take it out there first: `holdfast group set {other} --remove-vm {vm}`.",
  },
  "group-vm-disks-shared": {
    cause: "Not every disk of VM {vm} lies in a local pool.",
    effect: "It was not taken into group {group}: only what lies with one host alone is copied to another.",
    remedy: "Leave it out; where all its disks lie in shared pools, any host can start it anyway.",
  },
  "group-vm-elsewhere": {
    cause: "VM {vm} is on host {host}.",
    effect: "It was not taken into group {group}, which protects VMs on {hosts}.",
    remedy: "Create a group for the host that it is on.",
  },
  "group-target-not-known": {
    cause: "Host {host} has not said yet what it has.",
    effect: "VM {vm} was not taken into group {group}.",
    remedy: "Wait until the host is up, then ask again.",
  },
  "group-pool-missing": {
    cause: "Host {host} does not have pool {pool}, or cannot use it now.",
    effect: "VM {vm} was not taken into group {group}: its copy would have no place.",
    remedy: "Map the pool in the configuration of {host}, to a folder that is there.",
  },
  "group-pool-removable": {
    cause: "Pool {pool} of host {host} lies on a removable or external disk.",
    effect: "VM {vm} was not taken into group {group}: a copy that somebody can unplug protects nothing.",
    remedy: "Map the pool to a folder on a disk that is built in.",
  },
  "group-links-one-subnet": {
    cause: "Two links of host {host} are in one subnet.",
    effect: "Group {group} was not created: the system would send everything over one of them, whichever that is.",
    remedy: "Give each link of the host a subnet of its own.",
  },
  "group-clocks-apart": {
    cause: "The clocks of hosts {from} and {to} are {seconds} s apart.",
    effect: "Group {group} was not created: how much a copy is behind could not be told.",
    remedy: "Let a time daemon (chrony) set both clocks, wait half a minute, then ask again.",
  },
  "group-target-too-small": {
    cause: "VM {vm} has {neededMiB} MiB of memory; host {host} has {thereMiB} MiB for all of its VMs.",
    effect: "It was not taken into group {group}: it could never start from its copy.",
    remedy: "Make the VM smaller, or choose another host.",
  },
  "group-target-processor": {
    cause: "Host {host} cannot show VM {vm} its processor ({why}).",
    effect: "It was not taken into group {group}: it could never start from its copy.",
    remedy: "Choose a processor that both hosts have, or another host.",
  },
  "group-no-room": {
    cause: "The copies need {neededMiB} MiB in pool {pool} of host {host}, which has {freeMiB} MiB free.",
    effect: "Group {group} was not changed.",
    remedy: "Make room there, or protect fewer VMs.",
  },
  "group-quota-too-small": {
    cause: "The disks of the VMs are {neededMiB} MiB; group {group} may take {quotaMiB} MiB.",
    effect: "Nothing has changed.",
    remedy: "Raise the quota, or lift it: `holdfast group set {group} --quota none`.",
  },
  "group-quota-reached": {
    cause: "The copies of group {group} take {usedMiB} MiB with their recovery points, of {quotaMiB} MiB allowed.",
    effect: "No further recovery point is taken; the copies go on, and nothing of them is removed for it.",
    remedy: "Keep fewer points (`holdfast group set {group} --keep …`), drop some, or raise the quota.",
  },
  "group-waits-for-resume": {
    cause: "The copy of VM {vm} on host {host} was left behind, and group {group} is resumed by hand only.",
    effect: "The VM is not protected; what it writes is lost with its host.",
    remedy: "Bring the copy up to date: `holdfast group resume {group}`.",
  },
  "group-switch-waits-for-resume": {
    cause: "Group {group} is resumed by hand only, and what {vms} leaves as it runs is a copy that was left behind.",
    effect: "After the switchover the VM is not protected: what it writes is lost with its new host.",
    remedy: "Once it is there: `holdfast group resume {group}`.",
  },
  "group-would-be-empty": {
    cause: "Group {group} would have no VM.",
    effect: "Nothing has changed.",
    remedy: "Name a VM, or delete the group: `holdfast group delete {group}`.",
  },
  "group-too-large": {
    cause: "A group has {most VM|VMs} at most.",
    effect: "Group {group} was not changed.",
    remedy: "Create a second group.",
  },
  "group-loss-below-cycles": {
    cause: "A failover of group {group} by itself may lose {lossS} s, and its cycles are {everyS} s apart.",
    effect: "Nothing has changed: its VMs would hardly ever go on by themselves.",
    remedy:
      "Give `--allow-loss` the interval and some 15 s more, for a cycle that is under way and until a host counts as lost; or a shorter `--every`; or `--allow-loss none`: then it goes by order alone.",
  },
  "group-in-cycles": {
    cause: "Group {group} copies in cycles: no write waits for a copy, so there is no bound for it.",
    effect: "Nothing has changed.",
    remedy: "Leave out `--bound-ms`, or ask for `--mode sync` with it.",
  },
  "group-not-in-cycles": {
    cause: "Group {group} copies each write as it is made: it has no interval, and nothing to lose.",
    effect: "Nothing has changed.",
    remedy: "Leave out `--every` and `--allow-loss`, or ask for `--mode async` with them.",
  },
  "group-nothing-to-change": {
    cause: "Group {group} is as was asked for already.",
    effect: "Nothing has changed.",
    remedy: "Nothing to do.",
  },
  "group-paused-already": {
    cause: "Group {group} is paused already.",
    effect: "Nothing has changed.",
    remedy: "Nothing to do.",
  },
  "group-on-both-hosts": {
    cause: "The VMs of group {group} are not all on one host, so that nobody can guess where they are to go.",
    effect: "No VM was moved.",
    remedy: "Name the host with --to: {hosts}.",
  },
  "group-not-its-host": {
    cause: "Host {host} is none of the hosts of group {group}: its copies are on {hosts}.",
    effect: "No VM was moved.",
    remedy: "Name one of those hosts; a VM that is to leave both is taken out of the group first.",
  },
  "group-not-copying": {
    cause: "Group {group} copies nothing now: it is paused, or its hosts run different versions.",
    effect: "No VM was moved.",
    remedy: "See `holdfast group show {group}`; once it is Normal, try again.",
  },
  "group-already-there": {
    cause: "All VMs of group {group} are on host {host} already.",
    effect: "Nothing has changed.",
    remedy: "Nothing to do.",
  },
  "group-switch-copy-behind": {
    cause: "VM {vm} of group {group} cannot go on at host {host} without a loss: its copy there lacks something.",
    effect: "No VM of the group was moved.",
    remedy: "Wait until the group is Normal: `holdfast group show {group}`.",
  },
  "group-switch-in-cycles": {
    cause:
      "VM {vm} of group {group} is copied in cycles: while it runs its copy on host {host} is always some seconds behind.",
    effect: "No VM of the group was moved.",
    remedy:
      "Have it stopped, the rest copied, and started there, all without a loss: `holdfast group failover {group} --planned`.",
  },
  "group-not-paused": {
    cause: "Group {group} is not paused.",
    effect: "Nothing has changed.",
    remedy: "Nothing to do; what keeps it from copying is told by `holdfast group show {group}`.",
  },
  "vm-in-group": {
    cause: "VM {vm} is protected by group {group}.",
    effect: "It was not deleted.",
    remedy: "Take it out first: `holdfast group set {group} --remove-vm {vm}`.",
  },
  "group-created": "Availability group {group} was created: {vms}, from {from} to {to}.",
  "group-changed": "Availability group {group} was changed: {vms}, from {from} to {to}.",
  "group-was-paused": "Availability group {group} was paused. What goes on without its copy: {vms}.",
  "group-resumed": "Availability group {group} was resumed.",
  "group-deleted": "Availability group {group} was deleted. What is not protected any more: {vms}.",
  "replica-in-sync": "The copy of VM {vm} on {host} has everything: from now on each write waits for it.",
  "replica-left-behind": {
    cause: "The copy of VM {vm} on {host} does not answer.",
    effect: "The VM goes on without it; what is written from now on is lost with its host.",
    remedy:
      "Nothing to do where the host or its link is back soon: what is missing is then copied by itself. Otherwise see `holdfast group show`, which says what is in the way.",
  },
  "replica-promoted-with-loss": "VM {vm} goes on from its copy on {host} by order, without what that lacks.",
  "failover-with-loss-ordered": "VM {vm} is to go on from its copy on {host}, whatever that lacks.",
  "failover-overtaken": {
    cause:
      "The copy of VM {vm} on host {host} is not what it was when its failover was ordered, or its own host is back.",
    effect: "The order is void: it would lose something else than was shown, or for nothing.",
    remedy: "Look again at what would be lost: `holdfast group failover` without --accept.",
  },
  "failover-not-accepted": {
    cause:
      "A failover of VM {vm} to its copy on host {host} loses what the copy lacks, and that was not accepted as it is now.",
    effect: "Nothing was done.",
    remedy: "Read what would be lost, then repeat the command with --accept {accept}.",
  },
  "failover-host-up": {
    cause: "Host {host} is up, and VM {vm} of group {group} belongs to it.",
    effect: "Nothing was done: nothing need be lost while {host} is up.",
    remedy:
      "It goes there without a loss by `holdfast group switchover {group}` as it runs, or stopped and started by `holdfast group failover {group} --planned`, which is the way where it is copied in cycles. Both say where a copy is not ready.",
  },
  "failover-no-copy": {
    cause: "VM {vm} of group {group} has no copy on host {host} that a guest could start from.",
    effect: "Nothing was done.",
    remedy: "See `holdfast group show {group}`; its newest recovery point, where there is one, can be exported.",
  },
  "copies-given-up":
    "The copies of VM {vm} on {host} went with their group: nobody writes them, and their images are to be removed.",
  "group-replicas-unsaid": {
    cause: "Group {group} has copies, and nobody said what becomes of them.",
    effect: "The group was not deleted.",
    remedy: "Say it: `--replicas keep` leaves their images in the pool, `--replicas remove` gives their room back.",
  },
  "group-replicas-branch": {
    cause: "Among the copies of VM {vm} on {host} is a branch with acknowledged writes that nobody else has.",
    effect: "Group {group} was not deleted.",
    remedy: "Export it and delete it: `holdfast branch list --vm {vm}`; or `--replicas keep`.",
  },
  "group-replicas-needed": {
    cause: "Host {lost}, where VM {vm} lies, is not up: its copy on {host} may be all that is left of it.",
    effect: "Group {group} was not deleted.",
    remedy: "Bring back {lost}, or fail over first: `holdfast group failover {group}`; or `--replicas keep`.",
  },
  "group-replicas-too-many": {
    cause: "Group {group} has {count} copies of disks; at once {most} can be told to stay or go.",
    effect: "The group was not deleted.",
    remedy: "Take some of its VMs out first: `holdfast group set {group} --remove-vm VM`.",
  },
  "failover-point-of-one": {
    cause: "Each VM has recovery points of its own, and group {group} has {count VM|VMs}.",
    effect: "Nothing was done.",
    remedy: "Name one of them: `--vm VM`.",
  },
  "earlier-point": {
    cause: "VM {vm} is to go back to recovery point {point} on {host}.",
    effect: "All that was written after it is lost to the VM; where it lay it stays, as a branch.",
    remedy: "Choose a later point where there is one, or none.",
  },
  "failover-vm-runs": {
    cause:
      "VM {vm} belongs to host {host} and cannot be stopped now: it is being moved, locked or ignored, or that host is not heard.",
    effect: "Nothing was done: a VM goes back to a recovery point only when it is started.",
    remedy: "See `holdfast vm show {vm}`; order it again once that is over.",
  },
  "failover-point-not-there": {
    cause: "Recovery point {point} of VM {vm} is not among those on host {host} from which it could start.",
    effect: "Nothing was done.",
    remedy: "See `holdfast point list --vm {vm}`: choose one of that host, or another host. A branch can be exported.",
  },
  "vm-set-back": "VM {vm} goes back to recovery point {point} on {host}; what was written after it stays as a branch.",
  "vm-went-back": "The disks of VM {vm} on {host} hold what recovery point {point} holds.",
  "replica-first-cycle":
    "The copy of VM {vm} on {host} holds a whole cycle: from now on only what was written since is lost.",
  "replica-lags": {
    cause: "The copy of VM {vm} on {host} is {seconds} s behind, with a cycle every {everyS} s[why? ({why})].",
    effect: "So much would be lost with the VM's host.",
    remedy: "Nothing to do where the link or the host is back soon: what is missing is then sent by itself.",
  },
  "vm-waits-for-order": {
    cause: "VM {vm} was on host {host}, which is silent; its copy on {to} is {seconds} s behind.",
    effect: "It does not go on from the copy by itself, and {host} is not fenced for it.",
    remedy:
      "Bring back {host}. Or accept the loss: `holdfast group set GROUP --allow-loss {seconds}s` lets the VM go on from its copy.",
  },
  "replica-caught-up": "The copy of VM {vm} on {host} has caught up.",
  "replica-promoted-behind": {
    cause: "VM {vm} goes on from the last cycle of its copy on {host}.",
    effect: "At most the last {seconds} s of writes are lost, as its group allows ({limitS} s).",
    remedy: "What the lost host has of them stays there as a branch; save from it what is needed once it is back.",
  },
  "replica-promoted": "VM {vm} goes on from its copy on {host}, which has every acknowledged write.",
  "replica-promoted-unsaid": {
    cause: "VM {vm} goes on from its copy on {host}, by the order of a takeover.",
    effect:
      "Nobody can say whether that has every acknowledged write: only the lost host knows whether it went on without the copy.",
    remedy:
      "What the lost host has stays there as a branch: once it is back see `holdfast branch list`, and save what is needed.",
  },
  "group-pool-full": {
    cause: "Pool {pool} of host {host}, which has the copies of VM {vm}, has {freeMiB} MiB free.",
    effect: "What has no place there is not copied: the VM goes on without its copy, and that is lost with its host.",
    remedy:
      "Make room in the pool on {host}, or drop recovery points or branches there; what is missing is then copied by itself within a minute, at once after `holdfast group pause GROUP` and `group resume GROUP`.",
  },
  "group-link-late": {
    cause: "Host {host} answers in {ms} ms at best over the link of replication; it should be {most} ms or less.",
    effect: "Each write of the group's VMs waits for as long.",
    remedy: "Use a link of the same room or building, or replicate in cycles, for which no write waits.",
  },
  "group-link-slow": {
    cause: "The link of replication to host {host} takes {mbit} Mbit/s at best; it should be {least} or more.",
    effect:
      "VMs that write more than that are slowed down to it, and a copy that was left behind is long in coming back.",
    remedy: "Check the link's speed at both ends, what else uses it, and the disks of {host}.",
  },
  "group-target-full": {
    cause: "VM {vm} needs {neededMiB} MiB of memory; host {host}, which has its copy, has {freeMiB} MiB free for VMs.",
    effect: "If its host failed now, it would not start there.",
    remedy: "Make room on {host}: move or shrink a VM there, or give VMs more of its memory.",
  },
  "group-clocks-differ": {
    cause: "The clocks of hosts {source} and {target} are {seconds} s apart.",
    effect: "It is copied as before; what would be lost by a failover is told in wrong seconds.",
    remedy: "Let a time daemon (chrony) set both clocks.",
  },
  "group-vm-branch": {
    cause: "Host {host} has a branch of VM {vm} with acknowledged writes that nobody else has.",
    effect: "Nothing is copied over it before it is kept as a branch; until then the VM is not protected.",
    remedy:
      "Nothing to do but to have {host} up: then it is kept (`holdfast branch list`), and all is copied there anew by itself.",
  },
  "group-vm-branch-no-room": {
    cause:
      "Host {host} keeps a branch of VM {vm}, with acknowledged writes that nobody else has, and its pool {pool} has {freeMiB} MiB free beside what other copies there are about to take; a copy beside it may take {neededMiB} MiB.",
    effect: "Nothing is copied there: the VM is not protected.",
    remedy:
      "Make room in {pool} on {host}; or save from the branch what is needed (`holdfast branch export`) and delete it: `holdfast branch list --vm {vm}`, `holdfast branch delete {vm} BRANCH --accept`. It goes on by itself.",
  },
} satisfies Catalogue;
