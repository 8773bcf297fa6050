import { keys } from "../../model/keys.ts";
import { refuse } from "../../model/reason.ts";
import type { Pool } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import { put, transaction, unchanged } from "../transactions.ts";
import { toldOfCluster } from "./disarm.ts";
import { findPool, refuseUnreadable } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";

/** `quotaMiB`: what all disks in the pool may grow to in sum; null: what the storage has. */
export type SetPoolRequest = { readonly pool: string; readonly quotaMiB: number | null };

/** Changes what may lie in a pool. Disks that are there stay as they are; less than they were promised breaks something (FC2). */
export function planSetPool(view: ClusterView, { pool: wanted, quotaMiB }: SetPoolRequest, asked: Asked): Planned {
  const found = findPool(view, wanted);
  if (found.kind === "refused") return found;
  const pool = found.stored.value;
  const key = keys.pool(pool.id);
  const unreadable = refuseUnreadable(view, key);
  if (unreadable !== undefined) return unreadable;
  if (pool.quotaMiB === quotaMiB) return refuse("pool-nothing-to-change", { pool: pool.name });
  const to = quotaMiB === null ? "none" : `${quotaMiB} MiB`;
  return {
    kind: "plan",
    transaction: transaction([unchanged(key, found.stored)], [put(key, { ...pool, quotaMiB } satisfies Pool)]),
    outcome: { kind: "cluster-changed" },
    events: [toldOfCluster("pool-changed", { pool: pool.name, to }, asked)],
  };
}
