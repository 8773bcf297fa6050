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
    remedy: "Its log lies in the run folder, under `received/{vm}`.",
  },
  "replica-no-address": {
    cause: "None of the addresses {addresses} is one of this host's, or their ports are taken.",
    effect: "The copies of VM {vm} cannot be reached.",
    remedy: "Correct the host's links in the cluster.",
  },
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
} satisfies Catalogue;
