import type { VolumeId } from "../../src/model/ids.ts";
import type { StartRequest } from "../../src/ports/hypervisor.ts";
import { moveAddress } from "../../src/sim/world/driver-moves.ts";
import type { Copy } from "../../src/sim/world/host.ts";
import { Scheduler } from "../../src/sim/world/scheduler.ts";
import type { LocalMoveRig } from "./local-move-suite.ts";
import { disk } from "./migration-calls.ts";
import { openWorldHosts } from "./world-pair.ts";

const ballast = `${disk}-ballast`;

class Watched extends Scheduler {
  look: () => void = () => undefined;

  override step(limit: number): boolean {
    const goesOn = super.step(limit);
    this.look();
    return goesOn;
  }
}

/** Two hosts of the simulated world with a local pool each; what a guest writes is the moment until which it ran. */
export async function openWorldLocalPair(): Promise<LocalMoveRig> {
  const scheduler = new Watched();
  const { source, target } = openWorldHosts(scheduler);
  const hosts = { source, target };
  const imagesOf = (on: "source" | "target") => hosts[on].host.images;
  const touch = (copy: Copy): void => {
    for (const volume of copy.local) {
      const image = copy.host.images.all.get(volume);
      if (image !== undefined && copy.imagesOpen && copy.host.executes(copy)) image.upTo = scheduler.now;
    }
  };
  scheduler.look = () => {
    for (const { host } of [source, target]) for (const copy of host.copies.values()) touch(copy);
  };
  return {
    source,
    target,
    address: moveAddress(target.host),
    homeAddress: moveAddress(source.host),
    request: (on, run): StartRequest => {
      const base = hosts[on].request(run, { act: "stay", disk });
      const [first] = base.vm.spec.disks;
      if (first === undefined) throw new Error("The guest has a disk");
      const disks = [first, { ...first, volume: ballast as VolumeId, sizeMiB: 24 }];
      const isFirst = on === "source" && imagesOf("target").all.size === 0 && imagesOf("source").all.size === 0;
      if (isFirst) for (const { volume } of disks) imagesOf("source").add(volume);
      const pools = base.pools.map((pool) => ({ ...pool, kind: "local-dir" as const }));
      return { ...base, pools, vm: { ...base.vm, spec: { ...base.vm.spec, disks } } };
    },
    written: (on) => imagesOf(on).all.get(disk)?.upTo,
    hasImages: (on) => imagesOf(on).all.has(disk) && imagesOf(on).all.has(ballast),
    removeImages: (on) => {
      for (const volume of [disk, ballast]) imagesOf(on).remove(volume);
    },
    putForeign: () => imagesOf("target").add(ballast, { upTo: 7, whole: false }),
    foreignIsUntouched: () => imagesOf("target").all.get(ballast)?.upTo === 7,
    close: async () => undefined,
  };
}
