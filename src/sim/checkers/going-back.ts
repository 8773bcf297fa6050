import type { Epoch, HostId, VmId } from "../../model/ids.ts";
import type { Owner } from "../../model/records.ts";
import type { Copy } from "../world/host.ts";
import type { Written } from "../world/truth.ts";
import type { CheckerKind } from "./kind.ts";
import { sameDisk } from "./points.ts";

/** `startedAs`: the first run since; undefined: its host may have been lost before, and the disks are as they were left then. */
type Return = { readonly epoch: Epoch; readonly host: HostId; readonly point: string; startedAs?: Epoch };

/** Which runs start from a point, by the records: the last word of it is that the disks went back (S20). */
export function goneBack() {
  const returns = new Map<VmId, Return>();
  return {
    note: ({ name, value, before }: Written): void => {
      if (name.kind !== "owner") return;
      const [is, was] = [value as Owner | undefined, before as Owner | undefined];
      if (is === undefined || was?.back === undefined || is.back !== undefined || is.host !== was.host) return;
      if (is.kind === "held" && is.epoch === was.epoch + 1)
        returns.set(name.vm, { epoch: is.epoch, host: is.host, point: was.back.point });
    },
    /** Of a run that starts now. */
    of: ({ run: { vm, epoch }, host }: Copy): Return | undefined => {
      const found = returns.get(vm);
      if (found === undefined || found.epoch > epoch) return undefined;
      // What it has written elsewhere meanwhile is not what it went back to.
      if (found.host !== host.id) {
        returns.delete(vm);
        return undefined;
      }
      found.startedAs ??= epoch;
      return found.startedAs === epoch ? found : undefined;
    },
  };
}

/** S20: a VM that is to go back to a point starts from what that holds, and not before. */
export const pointsAreStartedFrom: CheckerKind = {
  rule: "S20",
  make: (world, fail) => {
    const returns = goneBack();
    return {
      committed: returns.note,
      starting: (copy) => {
        const { vm, epoch } = copy.run;
        const name = `${vm} epoch ${epoch}`;
        if (world.truth.owners.get(vm)?.back !== undefined) fail(`${name} starts, and has not gone back to its point`);
        const back = returns.of(copy);
        if (back === undefined) return;
        const point = [...world.replicas.allPoints()].find(([host, of, { id }]) => {
          return host === copy.host.id && of === vm && id === back.point;
        })?.[2];
        const isOther = copy.vm.spec.disks.some(
          ({ volume }) => !sameDisk(point?.disks.get(volume), world.replicas.diskOn(copy.host, volume)),
        );
        if (isOther) fail(`${name} starts from something else than point ${back.point}`);
      },
    };
  },
};
