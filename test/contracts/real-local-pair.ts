import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readGuestDisk } from "../../lab/guest/disk.ts";
import { incomingPorts } from "../../src/adapters/qemu/move-images.ts";
import type { VolumeId } from "../../src/model/ids.ts";
import type { StartRequest, VmRun } from "../../src/ports/hypervisor.ts";
import { connectionsTo } from "../support/tcp-connections.ts";
import type { LocalMoveRig } from "./local-move-suite.ts";
import { disk } from "./migration-calls.ts";
import { openRealRig, type RealRigOptions } from "./real-rig.ts";

const ballastMiB = 24;
const mebibyte = 1024 * 1024;
const foreign = "somebody's";

type RealLocalPair = LocalMoveRig & {
  connectionsOut(run: VmRun, ports?: typeof incomingPorts): number;
  /** To QEMU of the source. */
  signal(run: VmRun, name: "SIGSTOP" | "SIGCONT"): void;
};

/** Two hosts on this machine, side by side: real QEMUs, a pool folder each, guests that write a record every 20 ms. */
export async function openRealLocalPair(
  of: { readonly source?: RealRigOptions; readonly target?: RealRigOptions } = {},
): Promise<RealLocalPair> {
  const source = await openRealRig(of.source);
  const target = await openRealRig(of.target);
  const hosts = { source, target };
  const ballast = `${disk}-ballast`;
  const image = (on: "source" | "target", volume: string) => join(hosts[on].poolFolder, `${volume}.raw`);
  const images = (on: "source" | "target") => [disk, ballast].map((volume) => image(on, volume));
  const spread = (base: StartRequest): StartRequest => {
    const [first] = base.vm.spec.disks;
    if (first === undefined) throw new Error("The tiny guest has a disk");
    const second = { ...first, volume: ballast as VolumeId, sizeMiB: ballastMiB };
    const pools = base.pools.map((pool) => ({ ...pool, kind: "local-dir" as const }));
    return { ...base, pools, vm: { ...base.vm, spec: { ...base.vm.spec, disks: [first, second] } } };
  };
  return {
    source,
    target,
    address: "127.0.0.1",
    homeAddress: "127.0.0.1",
    request: (on, run: VmRun) => {
      // The rig makes the first image where it is asked for a request: the target's is made by the move.
      const isHere = on === "source" && !existsSync(image("target", disk));
      if (isHere && !existsSync(image(on, ballast)))
        writeFileSync(image(on, ballast), Buffer.alloc(ballastMiB * mebibyte, "ballast"));
      const base = hosts[on].request(run, { act: "stay", disk: isHere ? disk : "missing", ticks: true });
      const [first] = base.vm.spec.disks;
      if (first === undefined) throw new Error("The tiny guest has a disk");
      const { kernel } = base.vm.spec;
      if (kernel === null) throw new Error("The tiny guest boots from a kernel");
      const append = kernel.append.replaceAll("missing", disk);
      const disks = [{ ...first, volume: disk as VolumeId }];
      const named = { ...base.vm.spec, disks, kernel: { ...kernel, append } };
      return spread({ ...base, vm: { ...base.vm, spec: named } });
    },
    written: (on) => (existsSync(image(on, disk)) ? readGuestDisk(image(on, disk)).records.length : undefined),
    connectionsOut: (run, ports = incomingPorts) => connectionsTo(source.pids(run), ports),
    signal: (run, name) => {
      for (const pid of source.pids(run)) process.kill(pid, name);
    },
    hasImages: (on) => images(on).every((path) => existsSync(path)),
    removeImages: (on) => {
      for (const path of images(on)) rmSync(path, { force: true });
    },
    putForeign: () => writeFileSync(image("target", ballast), foreign),
    foreignIsUntouched: () => readFileSync(image("target", ballast), "utf8") === foreign,
    close: async () => {
      await target.close();
      await source.close();
    },
  };
}
