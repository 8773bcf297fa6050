import type { Catalogue } from "./message.ts";

/** What needs somebody's attention in the cluster's status. */
export const checkMessages = {
  "heartbeats-missing": {
    cause: "Host {host} has sent no heartbeat for {ageMs} ms.",
    effect: "Its VMs stand still or soon will; they are started elsewhere once their pools' proof is there.",
    remedy: "Check its power and its links. If it is being repaired, nothing needs to be done for its VMs.",
  },
  "fence-in-force": {
    cause: "Host {host} is fenced.",
    effect: "It may run no VM until it rejoins, which it does by itself when it can reach the cluster.",
    remedy: "Find out why it was silent (`holdfast log --host {host}`) and start it again.",
  },
  "fenced-host-is-off": {
    cause: "Host {host} is fenced, and its fence device has confirmed that it is off.",
    effect:
      "It runs no VM, and the cluster bears fewer losses of other hosts meanwhile. Nothing switches it on by itself.",
    remedy: "Find out why it was fenced (`holdfast log --host {host}`), then switch it on: it rejoins by itself.",
  },
  "host-is-down": {
    cause: "Host {host} went down in order ({next}).",
    effect: "It runs no VM; the cluster bears fewer losses of other hosts meanwhile.",
    remedy: "Switch it on again if it does not come back by itself; `holdfast log --host {host}` says who ordered it.",
  },
  "own-vms-stand-still": {
    cause:
      "The VMs of host {host}, which answers this, have stood still for {forMs} ms: no heartbeat was confirmed in time.",
    effect:
      "They do not answer. They go on by themselves when {host} reaches the cluster again, unless another host took them over.",
    remedy: "Check this host's links, and whether most members of the cluster are up (ask another host).",
  },
  "vms-frozen": {
    cause: "The guards of host {host} hold its VMs frozen although it beats.",
    effect: "Its VMs do not answer.",
    remedy: "See `holdfast log --host {host}`. If it lasts longer than some seconds, look at the guards on that host.",
  },
  "agent-silent": {
    cause: "The agent of host {host} does not answer; its heart beats.",
    effect: "Its VMs go on running, but are not watched, and no new one is started there.",
    remedy: "It is restarted by its supervisor. If it stays so for a minute, look at its log on that host.",
  },
  "cluster-is-disarmed": {
    cause: "The cluster is disarmed ({mode}) by {by}.",
    effect: "No VM is started, moved, restarted or recovered, whatever happens.",
    remedy: "Arm it again as soon as the work is done: `holdfast cluster arm`.",
  },
  "host-in-quarantine": {
    cause: "Host {host} was lost too often lately and is in quarantine.",
    effect: "It gets no new VMs until the time that `holdfast host show {host}` names.",
    remedy:
      "Find out why it was lost (`holdfast log --host {host}`); `holdfast host release {host}` takes it back now.",
  },
  "migration-without-tls": {
    cause: "Guests are moved without TLS.",
    effect:
      "Whoever reaches a link that is used for moves can read the memory of a guest on its way, or send one in its place.",
    remedy: "Only for a direct cable between two hosts; else `holdfast policy set --migration-tls on`.",
  },
  "migration-shares-replication": {
    cause: "Guests of {hosts} are moved over {link} first, which carries the writes of their groups as well.",
    effect: "While a guest is on its way, writes to replicated disks wait longer.",
    remedy:
      "Name another link first, `holdfast policy set --migration-links`, or bound a move with `--migration-bandwidth`.",
  },
  "vm-wanted-is-down": {
    cause: "VM {vm} is wanted started, and runs nowhere.",
    effect: "It is started by itself as soon as nothing keeps it down any more.",
    remedy: "`holdfast explain {vm}` says what keeps each host from it.",
  },
  "more-wanted-vms-are-down": {
    cause: "{count more VM is|more VMs are} wanted started, and down.",
    effect: "They are started by themselves as soon as nothing keeps them down any more.",
    remedy: "`holdfast vm list` names them (waiting, recovering), `holdfast explain` says of each what keeps it down.",
  },
  "vm-given-up": {
    cause: "VM {vm} has failed and was given up (state failed; as a service: error).",
    effect: "It is not started again by itself.",
    remedy:
      "`holdfast explain {vm}` says why. Then `holdfast vm set {vm} --state disabled` clears the error; after that `holdfast vm start {vm}` tries anew, `holdfast vm delete {vm}` removes it.",
  },
  "host-losses-not-borne": {
    cause: "The cluster bears the loss of {bears} of its hosts; {wanted} are wanted.",
    effect: "After the loss of {losing}, not every started VM would find a host.",
    remedy: "`holdfast cluster status` names the first VM and what would help. Or want less: `holdfast policy set`.",
  },
  "record-unreadable": {
    cause: "The record {key} cannot be read by this version: {trouble}.",
    effect: "Nothing is decided about what it stands for.",
    remedy: "Bring this host's Holdfast to the version of the others.",
  },
} satisfies Catalogue;
