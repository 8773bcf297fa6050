import type { Catalogue } from "./message.ts";

/** Whether a host can show a guest its processor (PL8). */
export const processorMessages = {
  "cpu-flags-missing": "{host} cannot run CPU model {model}: it lacks {missing}.",
  "cpu-model-unknown-there": "The QEMU of {host} knows no CPU model {model}.",
  "cpu-vendor-differs":
    "A guest that runs cannot go from {from} to {host}: its processor is of {was}, that one of {vendor}.",
  "cpu-accel-differs": "A guest that runs cannot go from {from} to {host}: it runs by {was}, that one by {accel}.",
  "move-cpu-flags-missing": {
    cause: "Host {host} cannot run VM {vm} with its CPU model {model}: it lacks {missing}.",
    effect: "Nothing was changed: the guest would miss what it was started with.",
    remedy:
      "Name another host. Stopped, it takes a model that both have: `holdfast vm set {vm} --cpu-model compatible`. `holdfast vm relocate` starts a VM of model host or compatible afresh there.",
  },
  "move-cpu-model-unknown-there": {
    cause: "The QEMU of host {host} knows no CPU model {model}, which VM {vm} has.",
    effect: "Nothing was changed.",
    remedy: "Name another host, or upgrade QEMU there.",
  },
  "move-cpu-vendor-differs": {
    cause: "VM {vm} runs on a processor of {was}; that of host {host} is of {vendor}.",
    effect: "Nothing was changed: no guest survives that while it runs.",
    remedy: "Use `holdfast vm relocate {vm} {host}`, which stops it and starts it there.",
  },
  "move-cpu-accel-differs": {
    cause: "VM {vm} runs by {was}; host {host} runs guests by {accel}.",
    effect: "Nothing was changed: no guest survives that while it runs.",
    remedy: "Use `holdfast vm relocate {vm} {host}`, which stops it and starts it there.",
  },
  "vm-cpu-flags-missing": {
    cause: "No host can run VM {vm} with CPU model {model}; {host} lacks {missing}.",
    effect: "Nothing was changed: it could start nowhere.",
    remedy: "Use --cpu-model compatible: the best model that all its hosts can run.",
  },
  "vm-cpu-model-unknown-there": {
    cause: "The QEMU of {host} knows no CPU model {model}, and no other host can run it either.",
    effect: "Nothing was changed: it could start nowhere.",
    remedy: "Use --cpu-model compatible, host, or a model that hosts here can run: {known}.",
  },
} as const satisfies Catalogue;
