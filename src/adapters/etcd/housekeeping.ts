import type { StoreMaintenance } from "./maintenance.ts";

export type Housekeeping = {
  readonly maintenance: StoreMaintenance;
  /** Only the active manager's host keeps house: never two members are defragmented at once (S22). */
  readonly isMine: () => boolean;
  readonly log: (code: string, params: Readonly<Record<string, string | number>>) => void;
};

const everyMs = 60_000;
/** Below this a defragmentation gains nothing worth the pause of a member. */
const worthBytes = 64 * 1024 * 1024;

/**
 * S22: lifts NOSPACE after it has made room, and gives free space back, one member after the other, the leader last.
 * etcd compacts by itself every five minutes. Returns the stop.
 */
export function keepHouse(house: Housekeeping): () => void {
  let running = false;
  const timer = setInterval(() => {
    if (running || !house.isMine()) return;
    running = true;
    void keepOnce(house).finally(() => {
      running = false;
    });
  }, everyMs);
  return () => clearInterval(timer);
}

/** One round; exported for tests. */
export async function keepOnce({ maintenance, log }: Housekeeping): Promise<void> {
  const alarms = await maintenance.alarms();
  if (alarms.kind === "unknown") return log("store-housekeeping-failed", { cause: alarms.cause });
  const full = alarms.value.some(({ alarm }) => alarm === "NOSPACE");
  const members = (await maintenance.health()).filter((member) => member.kind === "answered");
  if (full) {
    log("store-out-of-space", {});
    const newest = Math.max(...members.map(({ revision }) => revision));
    const end = await maintenance.compact(newest as (typeof members)[number]["revision"]);
    if (end.kind === "unknown") return log("store-housekeeping-failed", { cause: end.cause });
  }
  const leaderLast = [...members].sort((a, b) => Number(a.leads) - Number(b.leads));
  for (const { endpoint, dbBytes, dbUsedBytes } of leaderLast) {
    if (!full && (dbBytes < worthBytes || dbBytes < 2 * dbUsedBytes)) continue;
    const end = await maintenance.defragment(endpoint);
    // One member that does not answer is no reason to take the next one away as well.
    if (end.kind === "unknown") return log("store-housekeeping-failed", { cause: end.cause });
  }
  if (!full) return;
  const end = await maintenance.disarmNoSpace();
  if (end.kind === "unknown") log("store-housekeeping-failed", { cause: end.cause });
  else log("store-space-made", {});
}
