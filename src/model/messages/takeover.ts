import type { Catalogue } from "./message.ts";

/** Going on without members that are off (S23, S24). */
export const takeoverMessages = {
  "cluster-taken-over": "{by} goes on without {without}, from its own data: they were proven or said to be off.",
  "cluster-member-back": "{host} has joined the store again, which had gone on without it.",
  "takeover-claim-missing": {
    cause: "It has to be said who is off: --peer-is-off or --others-are-off, one of them.",
    effect: "Nothing was asked for.",
    remedy: "See `holdfast cluster takeover --help`.",
  },
  "takeover-begun":
    "Nothing was heard of the store for {silentMs} ms: this host asks the other one's power controller to cut it.",
  "store-rejoin-waits": "This host's member of the store is about to join it again: {cause}.",
  "takeover-unfinished": {
    cause: "A takeover was begun at host {host}, and is not written to its end.",
    effect: "Where this host has the manager nothing is decided: no VM is started, moved or recovered.",
    remedy:
      "Where the others are off, ask at {host} once more: `holdfast cluster takeover --help`. Where they vote again, and where {host} has not booted since, of two hosts, this ends by itself within a minute. One that is up, does not vote and keeps it from ending has to be switched off first.",
  },
  "takeover-look-failed": {
    cause: "This host could not look after a takeover: {cause}.",
    effect: "What it lacks is not written, and nothing is taken over by itself meanwhile.",
    remedy: "It is tried again by itself; look at the disk of the state folder.",
  },
  "takeover-finished": "A takeover was begun here and not written to its end: the rest of it is written now.",
  "takeover-never-came":
    "A takeover was begun here, and the store was never forced: its members vote as before. The mark of it is taken away.",
  "alone-note-unreadable":
    "The note {file} cannot be read: {vm} is taken for one that went on without its copy, which is recorded as left behind.",
  "alone-notes-unreadable": {
    cause: "The notes of VMs that went on without their copies cannot be read in {folder} ({cause}).",
    effect:
      "Each VM here whose copy may be gone on without by a note is taken for one that did; its copy is recorded as left behind.",
    remedy: "Repair the disk of that folder.",
  },
  "takeover-not-needed": {
    cause: "The store serves: there is nothing to take over.",
    effect: "Nothing has changed.",
    remedy:
      "Nothing to do now: see `holdfast cluster status`. Of two hosts without a witness nothing is decided once one of them is lost and the store serves no more: give the order then.",
  },
  "takeover-not-here": {
    cause: "{host} has no member of the store that could go on alone.",
    effect: "Nothing has changed.",
    remedy: "Ask at a host that has one.",
  },
  "takeover-under-way": {
    cause: "A takeover is under way at this host.",
    effect: "This one changes nothing.",
    remedy: "Wait for its answer.",
  },
  "takeover-no-data": {
    cause: "The member of the store on {host} does not answer: {cause}",
    effect: "It is not known what there is to go on with.",
    remedy: "Look whether etcd runs on this host, and at its log.",
  },
  "takeover-not-two": {
    cause: "This cluster has {members} members, not two.",
    effect: "Nothing has changed.",
    remedy: "Where all others are off: `holdfast cluster takeover --others-are-off`.",
  },
  "takeover-alone": {
    cause: "{host} is the only member of this cluster.",
    effect: "Nothing has changed.",
    remedy: "Look why its store does not serve: etcd's log on this host.",
  },
  "takeover-no-links": {
    cause: "No address of {host} is known.",
    effect: "Nothing has changed: nobody can tell whether it is off.",
    remedy: "Restore the store from a backup instead.",
  },
  "takeover-peer-answers": {
    cause: "{host} answers at {address}: it is not off.",
    effect: "Nothing has changed. Two clusters would write the same VMs.",
    remedy: "Mend the link, or cut the power of {host}; then ask again.",
  },
  "takeover-heard-since": {
    cause: "{host} is heard as the same life that was said or proven to be off: it is on.",
    effect:
      "The store goes on with this host alone; the rest of the takeover is not written: no VM of {host} starts here, and nothing is decided.",
    remedy: "Cut the power of {host}, and look that it is off; then ask for the takeover once more.",
  },
  "takeover-word-untrue": {
    cause: "{host} answers at {address}, as the same life that somebody said to be off.",
    effect: "The rest of the takeover is not written: no VM of {host} starts here, and nothing is decided.",
    remedy: "Cut the power of {host}, and look that it is off; then ask for the takeover once more.",
  },
  "takeover-ordered-later": {
    cause: "A later takeover is on record than the one that this host has noted.",
    effect: "The rest of the noted one is not written by itself, and nothing is decided here.",
    remedy: "Look that the others are off, then ask for the takeover once more.",
  },
  "takeover-left-to-you": {
    cause: "This cluster has {members} members: what a takeover of more than two lacks is not written by itself.",
    effect: "VMs of the lost hosts do not start, and nothing is decided here.",
    remedy: "Look that the others are off, then ask for the takeover once more.",
  },
  "takeover-word-missing": {
    cause: "No device proves it: {cause}.",
    effect: "Nothing has changed. If it is on and only cut off, its VMs run twice, and writes on one side are lost.",
    remedy: "Go there and see that the power is off; then say so: `--word {word}`.",
  },
  "takeover-loss": {
    cause:
      "What these VMs were answered after both hosts lost sight of each other may not be here, because a guest may go on alone: {vms}.",
    effect: "Nothing has changed.",
    remedy:
      "Best bring the other host back: nothing is lost then. Else say `--accept`: what it wrote alone stays there as a branch (`holdfast branch list`, once it is back).",
  },
  "takeover-may-lack":
    "VM {vm} may lack what it was answered after both hosts lost sight of each other: its guest may have gone on alone.",
  "takeover-store-failed": {
    cause: "The store could not be started with this host alone: {cause}.",
    effect: "No VM was taken; a copy of the store's data is beside them (etcd.before).",
    remedy: "Look at etcd's log on this host, then ask again.",
  },
  "takeover-not-noted": {
    cause: "What this order does cannot be noted beside the data of this host's store: {cause}.",
    effect: "Nothing of it is written. The store goes on with this host alone, as before.",
    remedy: "Make room on the disk of the state folder, or repair it; then ask again.",
  },
  "takeover-mark-stays": {
    cause: "All of the takeover is written, but its mark beside the store's data cannot be taken away: {cause}.",
    effect: "Where this host has the manager nothing is decided: no VM is started, moved or recovered.",
    remedy: "Repair the disk of the state folder; it is tried again within a minute.",
  },
  "takeover-not-written": {
    cause: "The store goes on with this host alone; {done} changes are written, {left} are not.",
    effect: "VMs of the lost hosts may not start.",
    remedy: "Look at `holdfast cluster status` and the log, and start what is missing by hand.",
  },
  "takeover-vm-not-wanted": "VM {vm} was not to run, and stays as it is.",
} as const satisfies Catalogue;
