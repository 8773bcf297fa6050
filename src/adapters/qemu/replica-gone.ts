import { rmSync } from "node:fs";
import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd, Volumes } from "../../ports/hypervisor.ts";
import type { PointsOf } from "../../ports/replication.ts";
import { isMarked, poolFolder } from "./pool-folder.ts";
import { removeFiles, withoutAside } from "./replica-aside.ts";
import { endWriting } from "./replica-cease.ts";
import type { Receiving } from "./replica-daemon.ts";
import { readReceived, receivedFolder, writeLayers } from "./replica-files.ts";
import { listPoints } from "./replica-points.ts";
import { type Folders, lying } from "./replica-start.ts";

const done: HypervisorEnd = { kind: "done" };

/**
 * Of a deleted VM nothing is written any more, so that nothing is merged either: a point is marked, and with the last one
 * everything goes that is left of its disks here.
 */
export async function dropOfGone(
  folders: Folders & { readonly volumes: Volumes },
  receiving: Receiving,
  of: PointsOf,
  id: string,
): Promise<HypervisorEnd> {
  const { runDir } = folders;
  const { vm } = of;
  const away = of.volumes.find(({ pool }) => !isMarked(poolFolder(folders.pools, pool)));
  if (away !== undefined)
    return refuse("pool-mark-missing", { pool: away.pool.name, path: poolFolder(folders.pools, away.pool) });
  if (readReceived(runDir, vm) !== undefined) {
    const ended = await endWriting(runDir, receiving);
    if (ended.kind !== "ended") return ended;
    writeLayers(ended.received);
    rmSync(receivedFolder(runDir, vm), { recursive: true, force: true });
  }
  const { found } = lying(folders, of);
  if (found === undefined) return done;
  const { aside, gone } = withoutAside(found, id);
  const points = found.points.map((point) => (point.id === id ? { ...point, whole: false } : point));
  const left = { ...found, aside: [...aside], points };
  writeLayers(left);
  removeFiles(gone);
  if (listPoints(left).length > 0) return done;
  for (const { pool, volume } of of.volumes) {
    const end = await new Promise<HypervisorEnd>((told) => folders.volumes.remove(pool, volume, told));
    if (end.kind !== "done") return end;
  }
  return done;
}
