import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { ClusterId, VmId } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import { syncFile, writeDurably } from "./replica-files.ts";

// In each pool that has copies of a group's VMs lies `groups/NAME`: whose it is, and for each VM which files of the pool are its
// copies. The images themselves lie where those of every VM lie, so that a failover moves no file.

const markName = ".holdfast-group";
const markSchema = z.object({ schema: z.literal(1), cluster: z.string(), group: z.string() });
const entrySchema = z.object({
  schema: z.literal(1),
  vm: z.string(),
  name: z.string(),
  /** Each volume's files in the pool begin with its name and a dot: image, layers, and what says whose they are. */
  volumes: z.array(z.string()),
});

export type GroupEntry = {
  readonly group: string;
  readonly vm: VmId;
  readonly name: string;
  /** In this pool. */
  readonly volumes: readonly string[];
};

/** Makes the group's folder in a pool, or notes the VM in the one that is there. Refused where what is there is not ours; nothing is changed then. */
export function claimGroupFolder(cluster: ClusterId, pool: string, entry: GroupEntry): Refusal | undefined {
  const { group, vm, name, volumes } = entry;
  const folder = join(pool, "groups", encodeURIComponent(group));
  if (existsSync(folder)) {
    const found = read(join(folder, markName), markSchema);
    if (found?.cluster !== cluster || found.group !== group) {
      const owner = found === undefined ? "nobody that it says" : `group ${found.group} of cluster ${found.cluster}`;
      return refuse("group-folder-foreign", { group, path: folder, owner });
    }
  } else make(folder, { schema: 1, cluster, group });
  const file = join(folder, `${encodeURIComponent(vm)}.json`);
  const record = { schema: 1, vm, name, volumes: [...volumes] };
  if (JSON.stringify(read(file, entrySchema)) !== JSON.stringify(record)) writeDurably(file, record);
  return undefined;
}

/** A volume's files have gone: a group that has none left here has no folder. What is not ours is left alone. */
export function leaveGroupFolders(cluster: ClusterId, pool: string, volume: string): void {
  const root = join(pool, "groups");
  for (const name of existsSync(root) ? names(root) : []) {
    const folder = join(root, name);
    if (read(join(folder, markName), markSchema)?.cluster !== cluster) continue;
    const entries = names(folder).filter((one) => one !== markName);
    const left = entries.filter((one) => !isWithout(join(folder, one), volume));
    if (left.length === 0) rmSync(folder, { recursive: true, force: true });
  }
}

/** True: the entry named nothing else, and is gone. */
function isWithout(file: string, volume: string): boolean {
  const known = read(file, entrySchema);
  if (known?.volumes.includes(volume) !== true) return false;
  const volumes = known.volumes.filter((one) => one !== volume);
  if (volumes.length > 0) writeDurably(file, { ...known, volumes });
  else rmSync(file, { force: true });
  return volumes.length === 0;
}

/** With its mark or not at all: a folder without one is never ours. */
function make(folder: string, mark: object): void {
  const part = `${folder}.${process.pid}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  writeDurably(join(part, markName), mark);
  renameSync(part, folder);
  syncFile(join(folder, ".."));
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read<T>(file: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}
