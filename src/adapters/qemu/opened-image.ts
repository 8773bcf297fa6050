import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Vm } from "../../model/records.ts";
import type { StartRequest } from "../../ports/hypervisor.ts";
import type { QemuHost } from "./host.ts";
import { imagePath, poolFolder } from "./pool-folder.ts";
import type { Qmp } from "./qmp.ts";
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
  // S21: also where it is gone. An older layer would start the guest without what it wrote since, and nobody would know.
  if (top !== undefined) return { path: top.path, format: top.format };
  return { path: imagePath(folder, disk.volume, disk.format), format: disk.format };
}

const nodesSchema = z.array(z.object({ drv: z.string(), file: z.string() }));
const ending = ".layers";

/** Paths of the images that a QEMU has open; undefined: it does not say. */
export async function openFiles(qmp: Qmp | undefined): Promise<ReadonlySet<string> | undefined> {
  const end = await qmp?.execute("query-named-block-nodes", { flat: true });
  const nodes = end?.kind === "done" ? nodesSchema.safeParse(end.value) : undefined;
  return nodes?.data === undefined
    ? undefined
    : new Set(nodes.data.filter(({ drv }) => drv === "file").map(({ file }) => file));
}

/**
 * What a QEMU opened while it waited for its guest is still the uppermost layer of each of its disks: a point that was taken since
 * laid another one upon it, and the writes went there (S15, S20).
 */
export function areUppermost(open: ReadonlySet<string>): boolean {
  for (const folder of new Set([...open].map(dirname))) {
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder).filter((one) => one.endsWith(ending))) {
      for (const volume of readLayers(folder, name.slice(0, -ending.length))?.volumes ?? []) {
        const isOurs = volume.layers.some(({ file }) => open.has(join(volume.folder, file)));
        if (isOurs && !open.has(topOf(volume).path)) return false;
      }
    }
  }
  return true;
}
