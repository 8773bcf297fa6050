import type { ClusterId, HostId, NetworkId, PoolId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { FenceDevice, Member, Pool } from "../model/records.ts";
import type { Transaction, Write } from "../model/transaction.ts";
import { put, transaction } from "./transactions.ts";

/** The store's format: a daemon that finds another one does not start. */
export const storeFormat = 1;

export type ClusterPlan = {
  readonly id: ClusterId;
  readonly name: string;
  readonly members: readonly Omit<Member, "schema" | "joinedAt">[];
  readonly pools: readonly Pick<Pool, "name" | "kind" | "path" | "quotaMiB">[];
  readonly networks: readonly string[];
  readonly devices: ReadonlyMap<HostId, Omit<FenceDevice, "schema">>;
  readonly hostReserveMiB: number;
};

/** Everything a new cluster starts with, in one transaction that only an empty store accepts. Pool and network ids are their first names. */
export function createClusterTransaction(plan: ClusterPlan, at: WallMs): Transaction {
  const writes: Write[] = [
    put(keys.cluster, { schema: 1, id: plan.id, name: plan.name, format: storeFormat, createdAt: at }),
    put(keys.policy, { ...defaultPolicy, hostReserveMiB: plan.hostReserveMiB }),
    ...plan.members.map((member) => put(keys.member(member.id), { schema: 1, ...member, joinedAt: at })),
    ...plan.pools.map((pool) => {
      const id = pool.name as PoolId;
      return put(keys.pool(id), { schema: 1, id, ...pool, createdAt: at });
    }),
    ...plan.networks.map((name) => {
      const id = name as NetworkId;
      return put(keys.network(id), { schema: 1, id, name });
    }),
    ...[...plan.devices].map(([host, device]) => put(keys.fenceDevice(host), { schema: 1, ...device })),
  ];
  return transaction([{ kind: "absent", key: keys.cluster }], writes);
}
