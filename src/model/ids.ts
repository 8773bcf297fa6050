declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** Ids are generated once and stay; names may change. A resource id is `type:id`, `vm` first. */
export type ClusterId = Branded<string, "ClusterId">;
export type HostId = Branded<string, "HostId">;
export type VmId = Branded<string, "VmId">;
export type VolumeId = Branded<string, "VolumeId">;
export type PoolId = Branded<string, "PoolId">;
export type NetworkId = Branded<string, "NetworkId">;
export type IntentId = Branded<string, "IntentId">;
export type TaskId = Branded<string, "TaskId">;
/** Given by whoever made the rule: a word that people say. */
export type RuleId = Branded<string, "RuleId">;
/** Given by whoever made the group: a word that people say. */
export type GroupId = Branded<string, "GroupId">;
/** Random, one per registration of a host: tells two machines that claim the same name apart (S1). */
export type Nonce = Branded<string, "Nonce">;

/** Counts the boots and rejoins of a host, from 1 (S1). */
export type Incarnation = Branded<number, "Incarnation">;
/** Grows with every start of a VM and every change of its owner, from 1 (S14). */
export type Epoch = Branded<number, "Epoch">;
/** The number of the manager's term of office, from 1 (S12). */
export type Term = Branded<number, "Term">;
/** The store's revision: grows with every commit. */
export type Revision = Branded<number, "Revision">;

/** Milliseconds on this process's monotonic clock. Never leaves the process (S3). */
export type InstantMs = Branded<number, "InstantMs">;
/** Milliseconds since 1970 on the wall clock: for people only, never for a decision. */
export type WallMs = Branded<number, "WallMs">;

/** A store key without the cluster's root; starts and ends with a slash. */
export type StoreKey = Branded<string, "StoreKey">;

export const noRevision = 0 as Revision;

export function nextEpoch(epoch: Epoch): Epoch {
  return (epoch + 1) as Epoch;
}

export function later(at: InstantMs, byMs: number): InstantMs {
  return (at + byMs) as InstantMs;
}
