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

export const editMessages = { ...vms } satisfies Catalogue;
