import type { Epoch, VmId, VolumeId } from "./ids.ts";
import { type Refusal, refuse } from "./reason.ts";

/** What lies fsynced beside each image that is received: whose it is, and how far it has come (S21). */
export type ReplicaIdentity = {
  readonly vm: VmId;
  readonly volume: VolumeId;
  /** Of the run whose writes it has. */
  readonly epoch: Epoch;
  /** Grows with each connection that wrote it: two states of one image never bear the same pair of numbers. */
  readonly counter: number;
};

/**
 * S21: whether an image is the one that somebody counts on, before anything is started from it. `found`: what lies beside
 * it; undefined: nothing, or nothing that can be read. A counter above the known one is newer, and so no trouble; all else
 * is an image of something else, or of another time. Undefined: it is that image.
 */
export function identityTrouble(known: ReplicaIdentity, found: ReplicaIdentity | undefined): Refusal | undefined {
  const { vm, volume, epoch, counter } = known;
  if (found === undefined) return refuse("replica-identity-missing", { vm, volume });
  if (found.vm !== vm || found.volume !== volume)
    return refuse("replica-identity-foreign", { vm, volume, found: `${found.vm}/${found.volume}` });
  const params = { vm, volume, epoch, counter, foundEpoch: found.epoch, foundCounter: found.counter };
  if (found.epoch > epoch) return refuse("replica-identity-later", params);
  if (found.epoch < epoch || found.counter < counter) return refuse("replica-identity-restored", params);
  return undefined;
}
