import type { Catalogue } from "./message.ts";

const notBeating = "This host sends no heartbeat; its VMs stand still until it does, or are taken over.";

/** Why a host's heart does not beat, and its log lines. */
export const heartMessages = {
  "heart-guard-away": {
    cause: "A guard does not answer.",
    effect: notBeating,
    remedy: "Both guards must run: look at the supervisor's log for holdfast-guard on this host.",
  },
  "heart-guard-refuses": {
    cause: "A guard could not freeze what an earlier incarnation of this host left behind.",
    effect: notBeating,
    remedy: "Look at the guard's log for what it could not freeze; restarting the host clears it.",
  },
  "heart-freeze-unverified": {
    cause: "A guard froze the VMs, but the kernel does not confirm that all of them stand still.",
    effect: "VMs on shared pools are not started elsewhere before this host's power is off.",
    remedy: "Look for storage of this host that does not answer: processes that wait for it cannot be frozen.",
  },
  "heart-store-silent": {
    cause: "The cluster's store does not answer, or takes no writes.",
    effect: "The VMs of this host are frozen at the deadline if it lasts, and go on when it answers again in time.",
    remedy: "Check this host's links, whether most members of the cluster are up, and whether the store is full.",
  },
  "heart-store-unreadable": {
    cause: "A record of this host in the store cannot be read by this version.",
    effect: notBeating,
    remedy: "Bring this host's Holdfast to the version of the others.",
  },
  "heart-power-ordered": {
    cause: "The manager ordered this host's power off, because its VMs did not run although it was heard.",
    effect: "It joins again a minute later, if nothing has cut its power by then.",
    remedy: "Look at this host's holdfastd and guards: the event log says why the order was given.",
  },
  "heart-host-leaves": {
    cause: "This host is shutting down or restarting in order; its VMs are stopped or run elsewhere.",
    effect: "It does not join again before it has booted; if it stays up, it joins again after ten minutes.",
    remedy: "Nothing needs to be done; if the machine does not go down, see what holds its shutdown up.",
  },
  "heart-earlier-incarnation": {
    cause: "An earlier incarnation of this host may still be alive.",
    effect: "This one joins once the earlier one is fenced, or has been silent for its whole deadline.",
    remedy: "Wait some seconds. If it stays so, a second machine runs under this host's name: stop it.",
  },
  "heart-incarnation-file": {
    cause: "The file that holds this host's incarnation cannot be written.",
    effect: notBeating,
    remedy: "Free or repair the file system of the host's runDir.",
  },
  "heart-fenced": {
    cause: "This host was fenced.",
    effect: "Its VMs are started elsewhere; its own copies stand still. It rejoins by itself as a new incarnation.",
    remedy: "Find out why it was silent: `holdfast log --host` on another host.",
  },
  "heart-other-machine": {
    cause: "The cluster knows another machine by this host's name.",
    effect: "This machine does not join, and runs no VM.",
    remedy: "Give one of the two another host name. A machine that replaces an old one is joined anew.",
  },
  "heart-registration-changed": {
    cause: "Somebody else registered under this host's name.",
    effect: "This machine stands back: its VMs are frozen, and it does not rejoin by itself.",
    remedy: "Stop the other machine or copy; then restart holdfast-heart here.",
  },
  "heart-says": "The heart is {phase} (incarnation {incarnation}, frozen {frozen}, trouble {trouble}).",
  "heart-trouble": "{line}",
} satisfies Catalogue;
