import { simCpus } from "../world/processors.ts";
import type { CheckerKind } from "./kind.ts";

/** PL8: no QEMU is started with a CPU model that its host cannot run, or with a wish instead of a model. */
export const processors: CheckerKind = {
  rule: "PL8",
  make: (world, fail) => ({
    starting: ({ host, run, vm }) => {
      const kind = world.plan.hostCpus?.[host.id];
      const { cpuModel } = vm.spec;
      if (cpuModel === "compatible") fail(`${run.vm} is started with no model but a wish`);
      const missing = kind === undefined ? [] : (simCpus[kind].models[cpuModel] ?? []);
      if (missing.length > 0)
        fail(`${run.vm} is started on ${host.id} as ${cpuModel}, which lacks ${missing.join(", ")}`);
    },
  }),
};
