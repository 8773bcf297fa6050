import { nextEpoch } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import type { Event, VmStatus } from "../../model/records.ts";
import type { CheckerKind } from "./kind.ts";

/** S15: that a guest has come is in the history before its source says that it has quit, and once. */
export const arrivalsAreTold: CheckerKind = {
  rule: "S15",
  make: (world, fail) => {
    const told = new Set<string>();
    return {
      committed: ({ name, value, before }, writer) => {
        if (name.kind === "event") {
          const { type, subjects, params } = value as Event;
          if (type !== "vm-moved") return;
          const which = `${subjects.vm} ${params["epoch"]}`;
          if (told.has(which)) fail(`it is told twice that ${subjects.vm} came as epoch ${params["epoch"]}`);
          told.add(which);
        }
        const was = before as VmMove | undefined;
        if (name.kind !== "vm-move" || value !== undefined || was?.live?.kind !== "switched" || was.epoch === null)
          return;
        // A host that is lost quits by a proof, whatever its target has said by then.
        if (writer?.host.id !== was.from) return;
        const status = world.truth.values.get(keys.vmStatus(name.vm)) as VmStatus | undefined;
        const epoch = nextEpoch(was.epoch);
        const goesOn = status?.epoch === epoch && (status.phase === "running" || status.phase === "paused");
        if (goesOn && !told.has(`${name.vm} ${epoch}`)) fail(`nobody told that ${name.vm} came as epoch ${epoch}`);
      },
    };
  },
};
