import { existsSync } from "node:fs";
import { join } from "node:path";
import type { PoolId } from "../../model/ids.ts";
import type { Pool } from "../../model/records.ts";

/** Says whose pool a folder is: two clusters, or two pools, never share one. */
export const poolMark = ".holdfast-pool";

/** It is there: a folder without the mark is none, or what its storage is to be mounted over. */
export function isMarked(folder: string): boolean {
  return existsSync(join(folder, poolMark));
}

/** Where a pool lies on this host: its own path, unless the host's configuration maps it elsewhere. */
export function poolFolder(mapped: Readonly<Record<PoolId, string>>, pool: Pool): string {
  return Object.hasOwn(mapped, pool.id) ? (mapped[pool.id] ?? pool.path) : pool.path;
}

export function imagePath(folder: string, volume: string, format: "raw" | "qcow2"): string {
  return join(folder, `${volume}.${format}`);
}
