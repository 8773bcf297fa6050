import type { TakeoverPlan } from "../model/takeover-plan.ts";
import type { Links } from "./links.ts";
import type { SnapshotEnd } from "./store.ts";

/** What a host can do about the store when most members are off (S23, S24). */
export interface StoreForce extends Links {
  /** Everything as this host's own member has it; nobody else is asked, and it may be old. */
  peek(done: (end: SnapshotEnd) => void): void;
  /**
   * A new store of this member alone, with all that it has; `done` once it serves. Only after every other member is proven
   * to be off: each of them could do the same. What has to follow is noted beside its data before, and is there as long as
   * `isUnfinished`.
   */
  force(plan: TakeoverPlan, done: (end: ForceEnd) => void): void;
  /**
   * Instead of it where the store was forced already, and the rest is ordered anew: noted before anything of it is written, so that
   * whichever daemon finds it half written goes by this order, and not by the one before.
   */
  note(plan: TakeoverPlan): ForceEnd;
  /** Of a daemon that has just begun: what an earlier one has ordered, and nobody has taken up, is nobody's order any more. */
  forgetOrder(): void;
  /** What was noted; undefined: nothing is unfinished, or nobody can read it. */
  plan(): TakeoverPlan | undefined;
  /** The store was forced here, by whichever process, and nobody has said `finished` since; also after a boot. */
  isUnfinished(): boolean;
  /** So, and it was begun since this host booted: only then does it go on without a person, who knows what came between. */
  isOfThisBoot(): boolean;
  /**
   * What became of it, by the word of its own member and a majority. The mark is taken away where the store has never been forced
   * since it was made (the member died before): nothing has to follow then.
   */
  settle(done: (became: ForceTruth) => void): void;
  /** All that has to follow is written. */
  finished(): ForceEnd;
}
/** `forced`: this member votes alone. */
export type ForceTruth = "forced" | "never-came" | "unknown";
export type ForceEnd = { readonly kind: "done" } | { readonly kind: "failed"; readonly cause: string };
