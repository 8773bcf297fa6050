import type { Catalogue } from "./message.ts";

/** Refusals of what people ask of the manager: wishes for VMs, moves, hosts, the policy. */
const vms = {
  "vm-in-error": {
    cause: "VM {vm} is in the state error: it was given up.",
    effect: "Nothing was changed. It takes no other order before somebody has taken note of the error.",
    remedy:
      "See `holdfast vm show {vm}` for why. Then `holdfast vm set {vm} --state disabled` clears the error, and `holdfast vm start {vm}` tries anew.",
  },
  "cluster-disarmed": {
    cause: "The cluster is disarmed ({mode}, by {by}): nothing is started, moved or placed.",
    effect: "Nothing was changed.",
    remedy: "Arm it again with `holdfast cluster arm`, then repeat the command.",
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
  "host-not-held-back": {
    cause: "Host {host} is neither in maintenance nor in quarantine.",
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
    cause: "A cluster of {hosts} hosts cannot bear the loss of {wanted}.",
    effect: "Nothing was changed.",
    remedy: "Want at most {most}, or add hosts.",
  },
  "policy-reserve-too-large": {
    cause: "Host {host} has {memoryMiB} MiB in all; a reserve of {reserveMiB} MiB leaves nothing for VMs.",
    effect: "Nothing was changed.",
    remedy: "Keep less for the hosts themselves.",
  },
} satisfies Catalogue;

const events = {
  "maintenance-requested": "Host {host} was put into maintenance ({reason}).",
  "maintenance-ended": "The maintenance of host {host} was ended.",
  "quarantine-lifted": "The quarantine of host {host} was lifted.",
  "cluster-disarm-requested": "The cluster was ordered to disarm ({mode}).",
  "cluster-arm-requested": "The cluster was armed again.",
  "policy-changed": "The policy was changed: {to}.",
} satisfies Catalogue;

export const editMessages = { ...vms, ...hosts, ...cluster, ...events } satisfies Catalogue;
