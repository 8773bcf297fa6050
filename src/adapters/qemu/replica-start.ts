import { rmSync } from "node:fs";
import type { PoolId, VmId, VolumeId } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { CeaseEnd, PointsOf, ReplicaVolume } from "../../ports/replication.ts";
import type { GoBack } from "../../ports/replication-cycles.ts";
import { poolFolder } from "./pool-folder.ts";
import { cease, ceaseAt, ceasedAs, troubleOf } from "./replica-cease.ts";
import type { Receiving } from "./replica-daemon.ts";
import {
  type Lying,
  type Received,
  readLying,
  readReceived,
  receivedFolder,
  writeLayers,
  writeReceived,
} from "./replica-files.ts";

// What lies here of a VM's disks where nobody may receive it any more, and how it is made fit for a start.

export type Folders = { readonly runDir: string; readonly pools: Readonly<Record<PoolId, string>> };

/** What lies beside the images, where the run folder has gone with a reboot, or its host runs the VM. */
export function lying({ pools }: Pick<Folders, "pools">, { volumes: [first], vm }: PointsOf): Lying {
  return first === undefined
    ? { kind: "known", found: undefined }
    : readLying(poolFolder(pools, first.pool), vm, first.volume);
}

/** What is received here, or lies below the disks of a run of this host. */
export function knownCopies(folders: Folders, of: PointsOf): Received | undefined {
  return readReceived(folders.runDir, of.vm) ?? lying(folders, of).found;
}

export function unreadable(vm: VmId, volume: VolumeId): Refusal {
  return refuse("replica-edited", { vm, volume, detail: `${volume}.layers is gone or damaged` });
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
  const there = lying(folders, { vm, volumes });
  const known = readReceived(runDir, vm) ?? there.found;
  if (known === undefined && there.kind === "unreadable") return unreadable(vm, there.volume);
  if (known?.wentBack === back.id) {
    // It was done, and nobody heard of it; of which layer it is, what lies beside the images may not say yet.
    writeLayers(known);
    rmSync(receivedFolder(runDir, vm), { recursive: true, force: true });
    return ceasedAs(known);
  }
  if (known !== undefined && readReceived(runDir, vm) === undefined) writeReceived(runDir, known);
  return ceaseAt(runDir, receiving, back);
}

/**
 * S25: the last cycle that was sealed; what a later one may have left above it is no moment that there was. Where nothing is
 * received here a run may have written them since, or this host was off: they are held against what they were all the same (S21).
 */
export async function ceaseForStart(
  folders: Folders,
  receiving: Receiving,
  volumes: readonly ReplicaVolume[],
): Promise<CeaseEnd> {
  const { runDir } = folders;
  const { vm } = receiving;
  if (readReceived(runDir, vm) === undefined) {
    const there = lying(folders, { vm, volumes });
    if (there.kind === "unreadable") return unreadable(vm, there.volume);
    const { found } = there;
    // What lies there in cycles was not ceased yet: a reboot came before.
    if (found !== undefined && found.cycles !== null) writeReceived(runDir, found);
    const trouble = found === undefined || found.cycles !== null ? undefined : troubleOf(found, new Set());
    if (trouble !== undefined) return trouble;
  }
  const cycles = readReceived(runDir, vm)?.cycles ?? null;
  if (cycles === null || cycles.last === null) return cease(runDir, receiving);
  return ceaseAt(runDir, receiving, { point: cycles.last.point, id: cycles.last.point, keeps: false });
}
