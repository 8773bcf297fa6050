/** What a live move answers, for people: cause, effect, remedy; `{…}` are the code's parameters. */
export const migrationMessages = {
  "move-no-link": {
    cause: "No link to {to} connects for VM {vm}. Tried: {tried}.",
    effect: "The VM goes on where it is; it did not stand still.",
    remedy: "Check the links between the two hosts and their firewalls; `holdfast host list` shows which host is up.",
  },
  "move-links-cut": {
    cause: "No link over which VM {vm} may be moved from host {from} to {host} connects now: {tried}.",
    effect: "VM {vm} goes on where it is; nothing was begun.",
    remedy:
      "Check the cables, switches and firewalls of these links. Or let moves use others: `holdfast policy set --migration-links`; or stop, move and start the VM: `holdfast vm relocate`, which needs {host} to be up as well (`holdfast host list`).",
  },
  "move-host-unanswering": {
    cause:
      "Host {host} was last heard {ageMs} ms ago, and no link over which VM {vm} may be moved to it from {from} connects ({tried}): it may be off.",
    effect: "VM {vm} goes on where it is; nothing was begun.",
    remedy:
      "Check the power of {host} first, then its links: `holdfast host list` shows within seconds whether it is lost. Or name another host.",
  },
  "move-source-unanswering": {
    cause:
      "Host {from}, which VM {vm} runs on, was last heard {ageMs} ms ago, and no link over which the VM may be moved to {host} connects ({tried}): {from} may be off.",
    effect: "No move was begun. If {from} is off, VM {vm} does not run either.",
    remedy:
      "Nothing has to be ordered: if {from} is lost, its VMs are started on other hosts as soon as that is proven. `holdfast host list` and `holdfast explain {vm}` show within seconds how that stands.",
  },
  "move-no-common-link": {
    cause: "Hosts {from} and {host} have no link in common over which VM {vm} may be moved while it runs.",
    effect: "VM {vm} goes on where it is.",
    remedy:
      "`holdfast policy show` says which links may be used: name one that both have with `holdfast policy set --migration-links`, or stop, move and start the VM: `holdfast vm relocate`.",
  },
  "move-no-address": {
    cause: "None of the addresses {addresses} is one of this host's, or their ports are taken.",
    effect: "VM {vm} goes on where it is.",
    remedy: "Correct the host's links in the cluster.",
  },
  "move-no-certificate": {
    cause: "This host has no readable certificate for the move of VM {vm}.",
    effect: "The VM goes on where it is.",
    remedy: "Restore the files that the host's configuration names; TLS may be switched off for a direct cable only.",
  },
  "move-vm-locked": {
    cause: "VM {vm} was locked by other work ({lock}) while it was on its way.",
    effect: "It stays where it is, and goes on there.",
    remedy:
      "Nothing to do: it is moved once the lock is gone, where the cluster has it go; an order of yours give again.",
  },
  "move-under-way": {
    cause: "VM {vm} is being moved already.",
    effect: "No second move was begun.",
    remedy: "Wait for the first to end (`holdfast task list`), or call it off: `holdfast vm cancel-move {vm}`.",
  },
  "move-of-stopping-vm": {
    cause: "VM {vm} is being stopped.",
    effect: "It was not moved.",
    remedy: "Nothing to do while it stops; where it is to run elsewhere, start it there once it is stopped.",
  },
  "move-guest-stands": {
    cause:
      "VM {vm} does not execute at this moment: it is paused, its guest is down, or its QEMU does not answer (then `holdfast cluster status` names it within half a minute).",
    effect: "It was not moved.",
    remedy: "Mend what keeps it from running, or stop it and start it on the other host.",
  },
  "move-file-systems-stand": {
    cause: "The file systems of VM {vm} stand still for a recovery point, or nobody has heard yet that they go on.",
    effect: "It was not moved.",
    remedy: "They go on within seconds, and the move is tried again; otherwise look whether its guest agent answers.",
  },
  "move-cancelled": {
    cause: "The move of VM {vm} was called off by a person.",
    effect: "The VM goes on where it is.",
    remedy: "Nothing to do; where a maintenance or a rule has the VM go, the cluster tries again after a while.",
  },
  "move-broke-off": {
    cause: "The move of VM {vm} broke off: {detail}",
    effect: "The VM goes on where it is.",
    remedy: "Check the target host, its storage and the link; then move it again.",
  },
  "move-disk-unreadable": {
    cause:
      "Disk {disk} of VM {vm}, as `holdfast vm show {vm}` counts them, could not be read while it was copied: {detail}.",
    effect:
      "The VM goes on where it is; the copy is removed. Its guest is stopped where it comes to what cannot be read.",
    remedy:
      "Mend the storage below that disk, then move the VM again. Save from inside the guest what can still be read, or go back to a recovery point (`holdfast point list`).",
  },
  "move-qemu-refused": {
    cause: "QEMU refused a step of the move of VM {vm}: {detail}",
    effect: "The VM was not moved.",
    remedy: "Correct what QEMU complains about; both hosts need the same pools and networks.",
  },
  "move-old-disks-there": {
    cause: "Disks of an earlier move of VM {vm} are still on {host}.",
    effect: "The VM was not moved; nothing of them is used.",
    remedy: "Wait until they are removed, or until the VM is seen to live where it is; then move it again.",
  },
  "move-image-exists": {
    cause: "An image {path} is on the target already, where the disks of VM {vm} were to be copied.",
    effect: "Nothing was copied, and the image was not touched.",
    remedy:
      "Find out whose it is. A copy that a deleted group has kept goes with its recovery points where a group protects the VM with that host again and is deleted with `--replicas remove`; anything else is to be moved away by hand. Then move the VM again.",
  },
  "move-disks-unsettled": {
    cause: "VM {vm} writes faster than its disks can be copied: {copiedMiB} MiB were, and {remainingMiB} MiB are left.",
    effect: "The VM goes on where it is; the copy is removed.",
    remedy: "Move it while it writes less, or over a faster link.",
  },
  "move-not-ready": {
    cause: "VM {vm} was to be handed over, and no move of it waits for that.",
    effect: "Nothing was handed over.",
    remedy: "Move it again.",
  },
  "move-hand-over-failed": {
    cause: "VM {vm} was handed over, and the target did not get all of it.",
    effect: "Its copy on the source stands still until the ownership came back.",
    remedy: "Nothing to do: it goes on at its source, or starts afresh where the source is gone.",
  },
  "move-handed-over": {
    cause: "VM {vm} was handed over: another host may run it.",
    effect: "The copy here does not go on.",
    remedy: "Nothing to do: what becomes of the VM is decided by its owner record.",
  },
  "move-nothing-incoming": {
    cause: "No copy of VM {vm} waits here for a guest.",
    effect: "Nothing was let go on.",
    remedy: "Nothing to do: the VM goes on at its source, or is started afresh.",
  },
  "move-incomplete": {
    cause: "Not all of VM {vm} has arrived; QEMU calls its state {state}.",
    effect: "It does not execute here.",
    remedy: "Nothing to do: the VM goes on at its source, or is started afresh.",
  },
  "move-has-executed": {
    cause: "The copy of VM {vm} here may have executed already.",
    effect: "It was not destroyed.",
    remedy: "Stop the VM if it is to end.",
  },
  "guest-stands-after-move": {
    cause: "VM {vm} was moved, and does not execute on its new host.",
    effect: "The VM does not serve.",
    remedy: "See the VM's state; reset it if it does not go on.",
  },
  "guest-agent-silent": {
    cause: "VM {vm} was moved, and the agent in its guest has not answered since.",
    effect:
      "The guest may be busy, or may have come to harm. It is asked again for some minutes, and told where it answers.",
    remedy: "Look at the VM's console; reset it if it hangs.",
  },
  "guest-agent-answers": {
    cause: "The agent in the guest of VM {vm} answers again after its move.",
    effect: "The guest has come to no harm that could be seen; it was only busy.",
    remedy: "Nothing to do.",
  },
  "move-overtaken": {
    cause: "The move of VM {vm} is not what the records speak of any more.",
    effect: "Nothing was handed over or taken back.",
    remedy: "Nothing to do: `holdfast explain` shows what came in between.",
  },
  "vm-not-moving": {
    cause: "VM {vm} is not being moved, and no move of it is ordered.",
    effect: "Nothing was called off.",
    remedy: "Nothing to do: `holdfast vm show` says where the VM is.",
  },
  "move-too-late-to-cancel": {
    cause: "VM {vm} has changed hands: it goes on on host {host}.",
    effect: "The move was not called off.",
    remedy: "Move it back, if it is to be where it was.",
  },
  "move-stops-already": {
    cause: "VM {vm} is moved by being stopped and started, and is being stopped already.",
    effect: "The move was not called off.",
    remedy: "Move it back once it has arrived; only a move of what runs can be called off.",
  },
  "move-interrupted": {
    cause: "What was conducting the move of VM {vm} ended or had no answer.",
    effect: "The move was given up; the VM goes on where it is.",
    remedy: "Move it again.",
  },
  "move-target-ended": {
    cause: "The copy of VM {vm} that came to host {host} has ended.",
    effect: "The VM goes on at its source where that is still possible, or is started afresh.",
    remedy: "See that host's events for what ended it; then move the VM again.",
  },
  "old-disks-not-removed": {
    cause: "The image of volume {volume} in pool {pool} of {host} is to be removed, and could not be looked for.",
    effect: "Whether it is still there is not known; nothing of VM {vm} is copied or moved there before it is gone.",
    remedy: "Do what the reason says: it is tried again by itself.",
  },
  "disk-left-alone": {
    cause:
      "Volume {volume} in pool {pool} of {host} was left alone: nobody knows it to have been made by a move of VM {vm} (an earlier version did not note that).",
    effect: "It was not touched; no disks of the VM can be moved to {host} as long as it lies there.",
    remedy:
      "Find out whose it is. A copy that a deleted group has kept goes with its recovery points where a group protects the VM with {host} again and is deleted with `--replicas remove`; anything else is to be moved away by hand.",
  },
  "old-disks-removed": {
    cause:
      "The image of volume {volume} in pool {pool} was removed from {host}: it was left over of VM {vm}, and nobody needs it.",
    effect: "The pool has room again.",
    remedy: "Nothing to do.",
  },
  "vm-moved": {
    cause: "VM {vm} goes on on host {host} as epoch {epoch}: it was moved while it ran.",
    effect: "Its guest stood still meanwhile for as long as the event of its leaving says.",
    remedy: "Nothing to do.",
  },
  "move-stops-guest-first": {
    cause: "Host {host} runs VM {vm} without KVM: its guest is stopped before its memory is copied.",
    effect: "It stands still until it has arrived, or goes on where it was if the move fails.",
    remedy: "Nothing to do; with KVM on both hosts it would run until the last moment (`holdfast host show {host}`).",
  },
  "vm-left": {
    cause: "VM {vm} has left for host {to}; its guest stood still for {pauseMs} ms.",
    effect: "It does not run here any more.",
    remedy: "Nothing to do.",
  },
  "vm-left-unmeasured": {
    cause: "VM {vm} has left for host {to}.",
    effect: "It does not run here any more.",
    remedy: "Nothing to do.",
  },
  "move-voided-by-ignoring": {
    cause: "VM {vm} was to move to {host}; nobody manages it now, and that move is void.",
    effect: "It goes on where it is.",
    remedy: "Order the move again once it is managed: `holdfast vm set {vm} --state started`.",
  },
  "move-target-leaves": {
    cause: "Host {host}, where VM {vm} was to go, is about to go down.",
    effect: "The VM goes on where it is.",
    remedy: "Nothing to do: it is moved elsewhere where it has to be.",
  },
  "move-target-in-maintenance": {
    cause: "A maintenance began on host {host} before VM {vm} had its turn to move there.",
    effect: "The VM goes on where it is.",
    remedy: "Nothing to do: it is moved elsewhere where it has to be.",
  },
  "move-links-unseen": {
    cause:
      "Host {by}, which was asked, sees neither end of any link that is left between {from} and {host} ({tried}): whether VM {vm} can be sent over one is not known here.",
    effect: "Where none connects the move fails, and the VM goes on where it is.",
    remedy: "Ask on {from} or {host}, which see their own links, and look after those of {by}.",
  },
  "move-maintenance-over": {
    cause: "The maintenance of host {host} ended before VM {vm} had left it.",
    effect: "The VM goes on where it is.",
    remedy: "Nothing to do.",
  },
  "move-target-silent": {
    cause: "Host {host}, where VM {vm} was to go, has not been heard of for too long.",
    effect: "The VM goes on where it is.",
    remedy:
      "See what happened to that host (`holdfast host list`); where it has to, the VM is moved elsewhere by itself.",
  },
  "move-target-agent-gone": {
    cause: "Host {host}, where VM {vm} was to go, beats, but its agent is silent.",
    effect: "The VM goes on where it is.",
    remedy: "Restart holdfastd on {host}; where it has to, the VM is moved elsewhere by itself.",
  },
  "move-records-missing": {
    cause: "Host {host} does not find the pools or hosts that the move of VM {vm} speaks of in the cluster's records.",
    effect: "The VM goes on where it is.",
    remedy: "`holdfast pool list` and `holdfast host list` show what there is; then move it again.",
  },
  "move-old-copy-there": {
    cause: "Something of an earlier run of VM {vm} on host {host} does not end.",
    effect: "The VM goes on where it is.",
    remedy: "Look for what keeps it on {host} (storage that hangs?), or move the VM elsewhere.",
  },
  "old-copy-does-not-end": {
    cause: "VM {vm} has left host {host}, and the copy there, which stands still, does not end.",
    effect: "It cannot go on. Until it is gone, the VM is not started or moved again; the host goes on trying.",
    remedy: "Look for what keeps it on {host} (storage that hangs?); a power-off of {host} ends it as well.",
  },
  "guest-not-let-go-on": {
    cause:
      "The move of VM {vm} from host {host} is over, and for {seconds} s its QEMU there has not said that its guest goes on[detail?: {detail}].",
    effect:
      "The guest may stand still at {host}. That it goes on is asked for every few seconds; it is not started afresh by itself.",
    remedy:
      "`holdfast vm stop {vm}` ends it where it is, and `holdfast vm start {vm}` boots it again; until then it may come back by itself.",
  },
  "vm-waits-for-source": {
    cause: "VM {vm} has left host {host}, which does not say that nothing is left of it there.",
    effect: "What runs goes on; the VM is not started, moved or recovered before that.",
    remedy:
      "See to host {host} (`holdfast host show {host}`): it is fenced for it as soon as that may be, or order it off.",
  },
  "move-not-wanted": {
    cause: "VM {vm} is to be stopped, or its host {host} no longer waits for it to move.",
    effect: "The move is called off, and the VM is stopped where it is.",
    remedy: "Nothing to do.",
  },
  "move-copy-behind": {
    cause: "The copy of VM {vm} on host {host} does not have every write, or could not say that it has.",
    effect: "The VM was not handed over; it goes on where it is.",
    remedy: "Wait until its group is Normal again, then move it; see the group for what is in the way.",
  },
  "move-copy-not-reached": {
    cause: "The copies of VM {vm}, which are made in cycles, could not be brought up to date before it was stopped.",
    effect: "It was not stopped, and goes on at {host}.",
    remedy: "See what is in the way of its group (`holdfast group show`), and ask again once it copies.",
  },
  "move-host-lost": {
    cause: "Host {host}, which takes part in the move of VM {vm}, is fenced or has started anew.",
    effect: "Nothing was handed over or taken back.",
    remedy: "See what happened to that host; the VM is moved again, or recovered, by itself.",
  },
} as const;
