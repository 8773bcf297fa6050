import type { Catalogue } from "./message.ts";

/** Events of orders, moves and hosts that are managed: what happened. */
const events = {
  "vm-move-begun": "VM {vm} is to leave {from} for {to} ({how}).",
  "vm-leaves": "VM {vm} leaves {from} for {to} now: {to} is ready for it.",
  "vm-move-failed": "VM {vm} could not be moved to {to} (failure {count} in a row).",
  "vm-move-called-off": "The move of VM {vm} to {to} is called off.",
  "vm-source-gone":
    "VM {vm} was handed over from {from} to {to}; its old host could not say that nothing is left there, but is proven gone.",
  "vm-move-dropped": "The move of VM {vm} from {from} to {to} is void: what it was about has changed.",
  "vm-place-changed": "VM {vm} belongs to {host} from now on; it is not started for that.",
  "vm-failures-forgotten": "The earlier failures of VM {vm} are forgotten.",
  "vm-lock-removed": "The lock {lock} that its lost host left on VM {vm} is removed.",
  "host-leaves": "Host {host} is about to go ({next}).",
  "vms-wait-for-host": "Its VMs are stopped and wait for it.",
  "vms-start-elsewhere": "Its VMs are stopped and start elsewhere.",
  "vms-move-away-first": "Its VMs are moved away; it goes once none is left on it.",
  "host-left": "Host {host} has left in order as incarnation {incarnation}: nothing of its VMs is there any more.",
  "host-active": "Host {host} is back at work as incarnation {incarnation}.",
  "vm-waits-its-turn":
    "VM {vm} (start priority {priority}) starts after those of priority {turn}, which are coming up.",
  "host-flaps": {
    cause: "Host {host} was lost {losses time|times} within {windowMin minute|minutes}.",
    effect: "It gets no new VMs for {holdMin minute|minutes}; what runs there stays.",
    remedy: "Find out why (`holdfast log --host {host}`); `holdfast host release {host}` ends it at once.",
  },
  "vm-order-served": "VM {vm} is on {to}, where it was ordered: nothing is left to do.",
  "vm-order-dropped": {
    cause: "The order to move VM {vm} to {to} cannot be carried out.",
    effect: "The order is dropped; the VM stays as it is.",
    remedy: "The reason says what is in the way; give the order again once that is gone.",
  },
  "vm-move-given-up": {
    cause: "VM {vm} could not be moved to {to}, {count time|times} in a row.",
    effect: "It stays where it is, and is not tried again by itself. A host that goes down stops it instead.",
    remedy: "Remove what is in the way, then order the move, or change the host or the rule that asks for it.",
  },
  "vm-cannot-leave": {
    cause: "No other host can run VM {vm} now.",
    effect: "It stays on {host} and keeps running there; a host that waits to be empty waits for it.",
    remedy:
      "Make room on a host that its rules allow (the alternatives say what each lacks), stop the VM, or take {host} back (`holdfast host release {host}`).",
  },
  "vm-locked-cannot-leave": {
    cause: "VM {vm} is locked by unfinished work ({lock}) and is not moved.",
    effect: "It keeps running on {host}; a host that waits to be empty waits for it.",
    remedy:
      "Wait for that work (known to be dead: `holdfast vm set {vm} --unlock`), or take {host} back (`holdfast host release {host}`).",
  },
  "vm-paused-not-moved": {
    cause: "VM {vm} is wanted on another host, and its guest on {host} stands still: moved, it would be stopped.",
    effect: "It stays on {host}, and is moved once its guest goes on.",
    remedy:
      "Mend what keeps it from going on (the reason names it). Or, if it may boot afresh: `holdfast vm relocate {vm}` with a host.",
  },
  "vm-waits-for-host": {
    cause: "Host {host} was restarted in order and is expected back.",
    effect: "VM {vm} waits for it and is not started elsewhere.",
    remedy: "Switch {host} on, or order VM {vm} to move to another host.",
  },
  "vm-locked": {
    cause: "VM {vm} is locked by unfinished work ({lock}).",
    effect: "It is not started until the lock is gone.",
    remedy: "Wait for that work; if it is known to be dead: `holdfast vm set {vm} --unlock`.",
  },
  "vm-lost-while-locked": {
    cause: "The host of VM {vm} was lost while the VM was locked ({lock}).",
    effect: "The VM may not be whole. It is not started.",
    remedy: "Look at its disks; then `holdfast vm set {vm} --state disabled --unlock`, and start it.",
  },
  "vm-stop-failed": {
    cause: "VM {vm} was to stop on {host}, and something of it is still there.",
    effect: "It still holds its disks. The host goes on trying.",
    remedy: "Look for what keeps it on {host} (storage that hangs?); disable the VM to leave the error.",
  },
} satisfies Catalogue;

/** Why it was decided, and what stands in the way. */
const reasons = {
  ordered: "It was ordered by {by}.",
  "goes-along": "It is kept together with VM {with}, which was ordered to move.",
  "host-is-leaving": "{host} is about to shut down or restart.",
  "maintenance-over": "It left {host} for its maintenance or its restart, which is over.",
  "host-gave-it-up": "{host} let it go before it went down.",
  "next-after-failure": "It failed on {host}; other hosts are tried in turn.",
  "best-at-start": "VMs go to the best host before they start; {host} is not it.",
  "host-unfit-to-start": "It cannot start on {host} now.",
  "vm-did-not-stop": "VM {vm} did not stop on {host}.",
  disarmed: "The cluster is disarmed ({mode}).",
  "leave-not-begun":
    "It is to leave {host}, and its move has not begun yet; where that lasts, `holdfast explain {vm}` says what it waits for.",
  "leave-again-later": "Its last move, to {to}, failed; the next one begins at about {againWall}.",
  "leave-again-after-call-off": "Its last move, to {to}, was called off; the next one begins at about {againWall}.",
  "leave-given-up":
    "It could not be moved, {count time|times} in a row, last to {to}, and is not tried again by itself: see `holdfast explain {vm}`.",
  "vm-is-ignored": "VM {vm} is not managed.",
  "vm-is-in-error": "VM {vm} is in error; only disabling it leads out.",
  "guest-is-paused":
    "The guest of VM {vm} is paused on {host} ({by}) and cannot go on elsewhere as it is: it would have to be stopped.",
  "vm-is-locked": "VM {vm} is locked by unfinished work ({lock}).",
  "team-too-large-to-move":
    "{count VM is|VMs are} kept together with VM {vm}; no more than {most} are ordered away at once. Change the rule that keeps them, or move its preferred host.",
} satisfies Catalogue;

export const managementMessages = { ...events, ...reasons } satisfies Catalogue;
