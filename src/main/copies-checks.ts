import { poolFolder } from "../adapters/qemu/pool-folder.ts";
import { editedCopies } from "../adapters/qemu/replica-edited.ts";
import type { QemuReplicaTarget } from "../adapters/qemu/replica-target.ts";
import { copiesChecks } from "../core/copies-watched.ts";
import type { HostConfig } from "../model/config.ts";
import type { Check } from "../model/reason.ts";
import type { ClusterView } from "../model/view.ts";

/** What this host knows of who else writes the copies that lie here (S21): in its own pools, by what lies there now. */
export async function readCopiesChecks(
  { host, pools }: Pick<HostConfig, "host" | "pools">,
  { unwatched }: Pick<QemuReplicaTarget, "unwatched">,
  view: ClusterView,
): Promise<Check[]> {
  const folders = [...view.pools.values()]
    .filter(({ value }) => value.kind !== "shared-dir")
    .map(({ value }) => poolFolder(pools, value));
  return copiesChecks(view, host, await editedCopies([...new Set(folders)]), unwatched());
}
