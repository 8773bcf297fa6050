import type { Catalogue } from "./message.ts";

/** What replication answers, for people: cause, effect, remedy; `{…}` are the code's parameters. */
export const replicationMessages = {
  "replica-not-attached": {
    cause: "VM {vm} has no replica attached on this host.",
    effect: "Nothing was done.",
    remedy: "Nothing to do where it is not to be replicated; otherwise resume its group.",
  },
  "replica-attached": {
    cause: "VM {vm} has its replica attached already.",
    effect: "Nothing was done.",
    remedy: "Nothing to do.",
  },
  "replica-no-certificate": {
    cause: "This host has no readable certificate for the replication of VM {vm}.",
    effect: "Nothing is copied; the VM goes on, unprotected.",
    remedy: "Restore the files that the host's configuration names; TLS may be switched off for a direct cable only.",
  },
  "replica-not-begun": {
    cause: "The copy of VM {vm} could not be begun: {detail}",
    effect: "The VM goes on, unprotected.",
    remedy: "Mend what the detail names; it is tried again when the group is resumed.",
  },
  "replica-job-gone": {
    cause: "QEMU has ended the mirror of VM {vm} by itself: one of its disks could not be read.",
    effect: "What the replica misses is not known any more.",
    remedy: "Check the disk at the source; then all of it is copied anew.",
  },
  "replica-copy-other": {
    cause:
      "What lies at the host of VM {vm}'s replica is not what was copied to before: it was made anew, or an older state was put back.",
    effect: "The VM goes on without it; nothing of it is counted on.",
    remedy: "Nothing has to be done: all of it is copied anew. Find out who changed that host's disk.",
  },
  "replica-resync-ended": {
    cause: "The replica of VM {vm} was not reached: {detail}",
    effect: "The VM goes on without it.",
    remedy: "Check the link between the two hosts; it is tried again by itself.",
  },
  "replica-not-in-sync": {
    cause: "The replica of VM {vm} does not have everything yet.",
    effect: "It is not counted on.",
    remedy: "Wait until it is copied.",
  },
  "replica-bar-broken": {
    cause: "The writes of VM {vm} could not be held for as long as its recovery point needed: {detail}",
    effect: "There is no such point.",
    remedy: "Nothing to do: it is tried again at the next time.",
  },
  "replica-epoch-old": {
    cause: "The copies of VM {vm} are written as epoch {known} already; epoch {epoch} is over.",
    effect: "Nothing of the earlier epoch is let in.",
    remedy: "Nothing to do.",
  },
  "replica-image-unclear": {
    cause: "Whether the image of volume {volume} was made is not known: {detail}",
    effect: "Nothing is copied into it.",
    remedy: "Check the pool; it is tried again by itself.",
  },
  "replica-daemon-failed": {
    cause: "The storage daemon for the copies of VM {vm} does not start, or an earlier one does not end.",
    effect: "Nothing is copied; the VM goes on at its host.",
    remedy:
      "Its log lies in the run folder of the host that is to receive them, under `received/`, in the folder that bears the id of the VM (`holdfast vm show {vm} --json` has it).",
  },
  "replica-no-address": {
    cause: "None of the addresses {addresses} is one of this host's, or their ports are taken.",
    effect: "The copies of VM {vm} cannot be reached.",
    remedy: "Correct the host's links in the cluster.",
  },
  "group-folder-foreign": {
    cause: "Where the folder of group {group} would be, {path}, lies something of {owner}.",
    effect: "Nothing there was changed, and no copy is made; the VM goes on at its host.",
    remedy: "See whose it is; move it away, or give the group another name. It is tried again by itself.",
  },
  "copies-not-sent": "Host {host} does not send the writes of VM {vm} to its copies.",
  "copies-not-received": "Host {host} does not take the copies of VM {vm}.",
  "replica-not-received": {
    cause: "This host receives no copies of VM {vm}.",
    effect: "Nothing was done.",
    remedy: "Nothing to do.",
  },
  "replica-copy-missing": {
    cause: "A copy of VM {vm} is missing, or does not say what it is.",
    effect: "None of its copies is used.",
    remedy: "Look into the pool's folder; what somebody moved away can be put back.",
  },
  "replica-identity-missing": {
    cause: "Beside the copy of volume {volume} of VM {vm} nothing says what it is, or it cannot be read.",
    effect: "None of the VM's copies on this host is used.",
    remedy: "Put back the file `{volume}.replica` where somebody moved it away, or have everything copied anew.",
  },
  "replica-identity-foreign": {
    cause: "Where the copy of volume {volume} of VM {vm} should lie, that of {found} does.",
    effect: "None of the VM's copies on this host is used.",
    remedy: "Look into the pool's folder: images were renamed or put back in the wrong place.",
  },
  "replica-identity-restored": {
    cause:
      "The copy of volume {volume} of VM {vm} is of epoch {foundEpoch}, connection {foundCounter}; it was at epoch {epoch}, connection {counter}: an older state of it was put back.",
    effect: "None of the VM's copies on this host is used: acknowledged writes are missing.",
    remedy: "Put back the newer image, or order the failover to another copy or point with the loss that is shown.",
  },
  "replica-identity-later": {
    cause:
      "The copy of volume {volume} of VM {vm} is of epoch {foundEpoch}, though this host received no later one than {epoch}.",
    effect: "None of the VM's copies on this host is used.",
    remedy: "Find out who wrote to the pool's folder; then have everything copied anew.",
  },
  "replica-edited": {
    cause: "The copy of volume {volume} of VM {vm} was changed by somebody else: {detail}",
    effect: "None of the VM's copies on this host is used.",
    remedy: "Find out who wrote to the pool's folder; put back what was there, or have everything copied anew.",
  },
  "freeze-no-agent": {
    cause: "No guest agent answers in VM {vm}.",
    effect: "Its file systems were not stopped: a point is as after a power cut.",
    remedy:
      "Install and start a guest agent in it, and allow it in the VM's settings, where its applications need that.",
  },
  "freeze-refused": {
    cause: "The guest agent of VM {vm} did not stop its file systems: {detail}",
    effect: "They go on: a point is as after a power cut.",
    remedy: "Look into the guest: its agent may not be allowed to, or one of its programs refuses.",
  },
  "freeze-unanswered": {
    cause: "The guest agent of VM {vm} did not answer in time when its file systems were to stop.",
    effect: "They were let go on at once: a point is as after a power cut.",
    remedy: "Look into the guest: its agent may hang, or have too little processor time.",
  },
  "freeze-not-executing": {
    cause: "VM {vm} is being moved, or stands frozen, at this moment.",
    effect: "Its file systems were not stopped: a point is as after a power cut.",
    remedy: "Nothing to do: it is tried again at the next time.",
  },
  "freeze-under-way": {
    cause: "The file systems of VM {vm} stand still already.",
    effect: "Nothing was done.",
    remedy: "Nothing to do: they go on by themselves.",
  },
  "freeze-not-held": {
    cause: "The file systems of VM {vm} went on before the point was taken.",
    effect: "The point is as after a power cut.",
    remedy: "Nothing to do: it is tried again at the next time.",
  },
  "proof-under-way": {
    cause: "A test failover of VM {vm} is under way already.",
    effect: "No other one was begun.",
    remedy: "Wait for its result.",
  },
  "proof-image-held": {
    cause: "Recovery point {point} of VM {vm} could not be opened for a test: {detail}",
    effect: "No guest was booted, and nothing is said of the point.",
    remedy: "A test by schedule is made again by itself. By hand: test again once nothing else has its images open.",
  },
  "cycle-under-way": {
    cause: "A cycle of VM {vm} is under way already.",
    effect: "No other one was begun.",
    remedy: "Nothing to do: the next one comes at its time.",
  },
  "cycle-broken": {
    cause: "The last cycle of VM {vm} did not come to its end: {detail}",
    effect: "The copies stay at the last one that was sealed; what is missing is sent with the next.",
    remedy: "Nothing to do where it was the link; otherwise mend what the detail names.",
  },
  "replica-in-cycles": {
    cause:
      "The copies of VM {vm} are brought up to date in cycles: in between they hold some of the old and some of the new.",
    effect: "They were not used, and no point was taken of them.",
    remedy: "Use one of their recovery points; the newest is the last cycle that was sealed.",
  },
  "replica-point-used": {
    cause: "There was a recovery point {point} of VM {vm} before.",
    effect: "None was taken.",
    remedy: "Take it under another name.",
  },
  "replica-point-merging": {
    cause: "An earlier recovery point of VM {vm} is being removed.",
    effect: "None was taken.",
    remedy: "Nothing to do: it is tried again at the next time.",
  },
  "replica-point-busy": {
    cause: "Recovery point {point} of VM {vm} is being read, or what an earlier one took is being given back.",
    effect: "It is still there.",
    remedy: "Nothing is wrong; delete it again once its test or export is over.",
  },
  "replica-point-failed": {
    cause: "The recovery point of VM {vm} could not be taken or read: {detail}",
    effect: "There is no such point, or no such image; its copies are unharmed.",
    remedy: "Correct what the detail names; a pool without room is the usual cause.",
  },
  "replica-point-absent": {
    cause: "There is no recovery point {point} of VM {vm} on this host.",
    effect: "Nothing was done.",
    remedy: "List the points that there are, and choose one of them.",
  },
  "replica-point-below-disk": {
    cause: "The disks of VM {vm} lie upon recovery point {point} on this host, where the VM belongs.",
    effect: "The point was not dropped: nothing can be merged there now.",
    remedy: "Drop it once the VM has gone to another host and is copied back to this one.",
  },
  "replica-point-last-cycle": {
    cause: "Recovery point {point} of VM {vm} is its last sealed cycle, from which a failover would start it.",
    effect: "Nothing was done.",
    remedy: "Drop it after the next cycle.",
  },
  "replica-overtaken": {
    cause: "What was to be recorded of the copies of VM {vm} does not fit its records any more.",
    effect: "Nothing was recorded.",
    remedy: "Nothing to do: it is looked at anew.",
  },
  "replica-host-lost": {
    cause: "Host {host} is fenced, or was started anew since.",
    effect: "It records nothing of the copies of VM {vm} any more.",
    remedy: "Nothing to do.",
  },
  "replica-no-volumes": {
    cause: "VM {vm} has no disk.",
    effect: "There is nothing to replicate.",
    remedy: "Take it out of its group.",
  },
  "replica-absent": {
    cause: "Host {host} does not have a copy of every disk of VM {vm}.",
    effect: "The VM cannot start from there.",
    remedy: "Choose another host, or another point.",
  },
  "replica-incomplete": {
    cause:
      "The copy of VM {vm} on host {host} was being brought up to date and holds some of the old and some of the new.",
    effect: "No guest could start from it as it is.",
    remedy: "Wait for its source, or choose its last recovery point.",
  },
  "replica-stale": {
    cause: "The copy of VM {vm} on host {host} lacks what was written since it was left behind.",
    effect: "It was not promoted: acknowledged writes would be lost.",
    remedy: "Bring back the host that has them, or order the failover with the loss that is shown.",
  },
  "replica-behind": {
    cause: "The copy of VM {vm} on host {host} is of its last cycle; what was written since is not there.",
    effect: "It was not promoted: acknowledged writes would be lost.",
    remedy: "Bring back the host that has them, or order the failover with the loss that is shown.",
  },
  "replica-by-host": {
    cause:
      "The host of VM {vm} is lost, and might have gone on without the copy on host {host} by its own note: of two hosts nobody else would know.",
    effect: "It was not promoted: acknowledged writes may be lost.",
    remedy: "Bring back that host, which knows, or order the failover with the loss that is shown.",
  },
  "replica-earlier-run": {
    cause: "The copy of VM {vm} on host {host} is of an earlier run; what was written since is not known.",
    effect: "It was not promoted: acknowledged writes may be lost.",
    remedy: "Bring back the host that has them, or order the failover with the loss that is shown.",
  },
  "replica-diverged": {
    cause: "The copy of VM {vm} on host {host} is the branch that was left behind at an earlier failover.",
    effect: "It was not promoted: all that was written since that failover would be lost.",
    remedy: "Bring back the host that runs the VM, or order the failover with the loss that is shown.",
  },
  "replica-unknown": {
    cause: "Nothing is known of how much the copy of VM {vm} on host {host} has: the store was forced or restored.",
    effect: "It was not promoted: acknowledged writes may be lost.",
    remedy: "Compare the copies, then order the failover of the one that is right.",
  },
  "replica-behind-limit": {
    cause: "The copy on host {host} is {seconds} s behind the loss of its VM's host; the group allows {limitS}.",
    effect: "The VM does not go on from it by itself.",
    remedy:
      "Bring back the lost host, order the failover with the loss that is shown, or allow more beforehand: `holdfast group set GROUP --allow-loss {seconds}s`.",
  },
  "loss-within-policy":
    "The copy on host {host} lacks at most the last {seconds} s of writes, and its group allows {limitS} s to be lost.",
  "group-vm-lags": {
    cause: "The copy of VM {vm} on host {host} is {seconds} s behind, which is more than two intervals of its group.",
    effect: "So much would be lost with the VM's host.",
    remedy:
      "Look at the link and at the pool of {host}; it is tried again by itself. `holdfast log` says why it failed.",
  },
  "group-vm-waits-for-order": {
    cause:
      "VM {vm} was on host {lost}, which is silent or lost; its copy on {host} is {seconds} s behind, and the group allows {limitS}.",
    effect: "It does not go on by itself: it waits for {lost}, or for an order.",
    remedy:
      "Bring back {lost}: it goes on there with everything. Or accept the loss once: `holdfast group failover {group} --vm {vm}` shows it, and the `--accept …` that takes it; or for good: `holdfast group set {group} --allow-loss {seconds}s`, with some seconds more than is shown.",
  },
  "group-paused": {
    cause: "Group {group} is paused: somebody asked for it.",
    effect: "Nothing is copied; what its VMs write meanwhile is lost with their host.",
    remedy: "Once what it was paused for is over: `holdfast group resume {group}`.",
  },
  "group-versions-differ": {
    cause: "Hosts {source} and {target} have different versions of Holdfast ({here}, {there}).",
    effect: "Nothing is copied between them; what is written meanwhile is lost with its host.",
    remedy: "Bring both to one version; it goes on by itself.",
  },
  "group-target-silent": {
    cause: "Host {host}, which has the copies, is silent.",
    effect: "A VM that writes goes on without its copy; what it writes meanwhile is lost with its host.",
    remedy: "Bring {host} back, or its link; what is missing is then copied by itself.",
  },
  "group-vm-gone": {
    cause: "VM {vm} of the group does not exist any more.",
    effect: "Nothing is copied for it.",
    remedy: "Take it out: `holdfast group set {group} --remove-vm {vm}`.",
  },
  "group-vm-unprotected": {
    cause: "VM {vm} has no copy of all its disks on host {host}.",
    effect: "If its host were lost, it would not start elsewhere.",
    remedy: "It is copied by itself as soon as it runs, and {host} takes its copies: see what else is said here.",
  },
  "group-vm-begins": {
    cause: "VM {vm} was put under protection a moment ago: copying it to host {host} is about to begin.",
    effect: "Until all of it is there it would not start from its copy.",
    remedy: "Nothing to do: it becomes Normal by itself.",
  },
  "group-vm-copying": {
    cause: "VM {vm} is being copied to host {host}.",
    effect: "Until all of it is there it would not start from its copy.",
    remedy: "Nothing to do: it becomes Normal by itself.",
  },
  "group-vm-stale": {
    cause: "VM {vm} goes on without its copy on host {host}.",
    effect: "What is written meanwhile is lost with its host.",
    remedy: "Nothing to do where {host} or its link is back soon: what is missing is then copied by itself.",
  },
  "group-vm-incomplete": {
    cause: "The copy of VM {vm} on host {host} was begun and is not complete.",
    effect: "If its host were lost, it would not start elsewhere.",
    remedy: "It is copied by itself while it runs: bring {host} or its link back where one of them is away.",
  },
  "group-vm-unusable": {
    cause: "The copy of VM {vm} on host {host} is of no use for a failover by itself.",
    effect: "If its host were lost, it would wait for it, or for an order.",
    remedy:
      "It is copied anew by itself while it runs and {host} is up. See what an order would lose now: `holdfast group failover {group}`.",
  },
} satisfies Catalogue;
