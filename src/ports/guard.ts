import type { Incarnation } from "../model/ids.ts";

export const guardNames = ["a", "b"] as const;
export type GuardName = (typeof guardNames)[number];

/**
 * What a guard says. `hello` comes on each connection, also after either side restarted; everything that was asked
 * before it is void. `deadline`: the stamp counted and the VMs may run for `remainingMs` more; `late`: its deadline had
 * passed already and nothing was permitted (S2).
 */
export type GuardSays =
  | {
      readonly kind: "hello";
      readonly deadlineMs: number;
      readonly marginMs: number;
      readonly incarnation: Incarnation | null;
      readonly frozen: boolean;
      readonly watchdog: boolean;
    }
  | { readonly kind: "lost" }
  | {
      readonly kind: "incarnation";
      readonly incarnation: Incarnation;
      /** False: another incarnation's folder could not be frozen and verified; nothing may be stamped. */
      readonly ok: boolean;
      readonly cause: string;
      /** Folders of other incarnations that still hold processes (frozen now). 0 right after a boot: the host's last word. */
      readonly leftovers: number;
    }
  | { readonly kind: "stamped"; readonly stamp: number }
  | { readonly kind: "deadline"; readonly stamp: number; readonly remainingMs: number }
  | { readonly kind: "late"; readonly stamp: number }
  | { readonly kind: "frozen"; readonly latenessMs: number; readonly verified: boolean; readonly inFlight: number }
  | { readonly kind: "thawed" };

/**
 * The heart's line to one guard (S3, S4). The guard keeps the deadline, the clocks and the freezing; the heart only
 * hands it stamps. Each guard owns one level of the VM cgroups' tree, so that each can freeze alone and a thaw needs both.
 */
export interface Guard {
  readonly name: GuardName;
  /**
   * From now on only VMs in the folder of `incarnation` may run: every other incarnation's folder is frozen and verified
   * before the answer. Forgets the deadline where the incarnation changes.
   */
  incarnation(incarnation: Incarnation): void;
  /** Stamp number `stamp` is now: asked right before a heartbeat is sent. Numbers only grow. */
  stamp(stamp: number): void;
  /** The heartbeat of this stamp was committed: the deadline is stamp + D, if that is later than it was. */
  committed(stamp: number): void;
  /** Freeze now, whatever the deadline was. */
  freeze(): void;
}
export type GuardListener = (name: GuardName, says: GuardSays) => void;
