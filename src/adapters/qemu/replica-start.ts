import { rmSync } from "node:fs";
import type { PoolId } from "../../model/ids.ts";
import type { CeaseEnd, PointsOf, ReplicaVolume } from "../../ports/replication.ts";
import type { GoBack } from "../../ports/replication-cycles.ts";
import { poolFolder } from "./pool-folder.ts";
import { cease, ceaseAt, ceasedAs } from "./replica-cease.ts";
import type { Receiving } from "./replica-daemon.ts";
import { type Received, readLayers, readReceived, receivedFolder, writeReceived } from "./replica-files.ts";

// What lies here of a VM's disks where nobody may receive it any more, and how it is made fit for a start.

type Folders = { readonly runDir: string; readonly pools: Readonly<Record<PoolId, string>> };

/** After a reboot the run folder is empty; what the copies are made of lies beside them. */
export function recovered({ pools }: Pick<Folders, "pools">, { volumes: [first], vm }: PointsOf): Received | undefined {
  if (first === undefined) return undefined;
  const found = readLayers(poolFolder(pools, first.pool), first.volume);
  return found?.vm === vm ? { ...found, pid: null } : undefined;
}

/** What is received here, or lies below the disks of a run of this host. */
export function knownCopies(folders: Folders, of: PointsOf): Received | undefined {
  return readReceived(folders.runDir, of.vm) ?? recovered(folders, of);
}

/** S20: also where nothing is received: the disks of a run of this host may lie upon the point. */
export async function goBack(
  folders: Folders,
  receiving: Receiving,
  volumes: readonly ReplicaVolume[],
  back: GoBack,
): Promise<CeaseEnd> {
  const { runDir } = folders;
  const { vm } = receiving;
  const known = knownCopies(folders, { vm, volumes });
  if (known?.wentBack === back.id) {
    // It was done, and nobody heard of it.
    rmSync(receivedFolder(runDir, vm), { recursive: true, force: true });
    return ceasedAs(known);
  }
  if (known !== undefined && readReceived(runDir, vm) === undefined) writeReceived(runDir, known);
  return ceaseAt(runDir, receiving, back);
}

/** S25: the last cycle that was sealed; what a later one may have left above it is no moment that there was. */
export async function ceaseForStart(
  folders: Folders,
  receiving: Receiving,
  volumes: readonly ReplicaVolume[],
): Promise<CeaseEnd> {
  const { runDir } = folders;
  const { vm } = receiving;
  if (readReceived(runDir, vm) === undefined) {
    const found = recovered(folders, { vm, volumes });
    // What lies there in cycles was not ceased yet: a reboot came before.
    if (found !== undefined && found.cycles !== null) writeReceived(runDir, found);
  }
  const cycles = readReceived(runDir, vm)?.cycles ?? null;
  if (cycles === null || cycles.last === null) return cease(runDir, receiving);
  return ceaseAt(runDir, receiving, { point: cycles.last.point, id: cycles.last.point, keeps: false });
}
