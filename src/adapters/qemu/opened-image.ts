import { existsSync } from "node:fs";
import type { Vm } from "../../model/records.ts";
import type { StartRequest } from "../../ports/hypervisor.ts";
import type { QemuHost } from "./host.ts";
import { imagePath, poolFolder } from "./pool-folder.ts";
import { readLayers, topOf } from "./replica-files.ts";

type Disk = Vm["spec"]["disks"][number];
export type OpenedImage = { readonly path: string; readonly format: "raw" | "qcow2" };

/**
 * The image that a run opens for a disk: the one that was made for it, or where it was received here as a copy and points were
 * taken of it, the uppermost of its layers, which alone has everything (S20). Undefined: its pool is not known.
 */
export function openedImage({ options }: QemuHost, { vm, pools }: StartRequest, disk: Disk): OpenedImage | undefined {
  const folderOf = ({ pool: of }: Disk): string | undefined => {
    const pool = pools.find(({ id }) => id === of);
    return pool === undefined ? undefined : poolFolder(options.pools, pool);
  };
  const folder = folderOf(disk);
  const [first] = vm.spec.disks;
  const beside = first === undefined ? undefined : folderOf(first);
  if (folder === undefined || first === undefined || beside === undefined) return undefined;
  const layers = readLayers(beside, first.volume);
  const copy = layers?.vm === vm.id ? layers.volumes.find(({ volume }) => volume === disk.volume) : undefined;
  const top = copy === undefined ? undefined : topOf({ ...copy, folder });
  if (top !== undefined && existsSync(top.path)) return { path: top.path, format: top.format };
  return { path: imagePath(folder, disk.volume, disk.format), format: disk.format };
}
