import type { HostId } from "../model/ids.ts";
import type { Params } from "../model/reason.ts";
import type { HypervisorEnd, StartRequest, VmRun } from "./hypervisor.ts";

// Live moves, as docs/designs/0005-live-moves.md orders them. Both ends know nothing of owner records: who may run the VM
// is decided between `migrateOut` and `switchOver` by one transaction (S15), and by nobody here.

/** Where a target answers its source. The port is that of the knock; the target's QEMU listens only once it was knocked. */
export type Door = { readonly address: string; readonly port: number };

export type IncomingRequest = StartRequest & {
  /** Whose certificate may knock. */
  readonly from: HostId;
  /** Addresses of this host, in the order in which the source is to try them. Those that it does not have are left out. */
  readonly addresses: readonly string[];
  /** False only where the link is a direct cable: then whoever reaches the address may send a guest. */
  readonly tls: boolean;
  /**
   * Disks by their place in the VM's spec, whose images are made here anew and filled by the source. Absent: all of them lie
   * where both hosts see them.
   */
  readonly copied?: readonly number[];
};

/** `waiting`: a QEMU stands in its cgroup, holds no image lock, and executes nothing before `completeIncoming`. */
export type IncomingEnd =
  | { readonly kind: "waiting"; readonly doors: readonly Door[] }
  | { readonly kind: "refused"; readonly code: string; readonly params: Params }
  | { readonly kind: "unknown"; readonly cause: string };

export type OutgoingRequest = {
  readonly to: HostId;
  /** The run that waits there. */
  readonly as: VmRun;
  /** Tried in this order; the first that answers is used. */
  readonly doors: readonly Door[];
  readonly tls: boolean;
  /** MiB a second; null: what the link bears. */
  readonly bandwidthMiBps: number | null;
  /** As the target was told: they are copied before the memory, and whole before the end of `migrateOut`. */
  readonly copied?: readonly number[];
  /** For how long the guest may stand still for what is copied last; no bound where it is stopped first (TCG). */
  readonly downtimeMs: number;
};

export type MoveProgress = {
  /** 0–100, never falling; 100 only once everything but the last state of its devices is there. */
  readonly percent: number;
  readonly mibPerSecond: number;
  readonly remainingMiB: number;
  /** How long the guest will have stood still in all, as it looks now; null: not known yet. */
  readonly expectedDowntimeMs: number | null;
  /** The target's address on the link that is used. */
  readonly link: string;
  /** `stopped`: it stands still until the move has ended, from the beginning where there is no KVM. */
  readonly guest: "runs" | "stopped";
  /** It stands still for a disk of its own that failed, and is tried again and again meanwhile. */
  readonly waitsForDisk?: boolean;
  /** Nothing has got through the link for some seconds; where that goes on the move breaks off. */
  readonly stuck?: boolean;
};

/** `incoming-lost`: a run that waited or received ended by itself and is cleared away; it never executed. */
export type MoveEvent =
  | { readonly kind: "progress"; readonly run: VmRun; readonly progress: MoveProgress }
  | { readonly kind: "incoming-lost"; readonly run: VmRun; readonly detail: string };

/** `absent`: no guest agent is connected, which says nothing about the guest. */
export type GuestHealth = { readonly executes: boolean; readonly agent: "absent" | "answers" | "silent" };

/**
 * A method's end `unknown`: QEMU does not answer, as a frozen one; the same call may be repeated. After `prepareIncoming`
 * something of the run may be there: it is abandoned first.
 */
export interface Migration {
  /**
   * Target: makes ready for a guest. Refused as a start is, where no address can be used, and where an image that is to be
   * made is there: nothing of an earlier move is taken for a copy. What it made and refuses then, it removes.
   */
  prepareIncoming(request: IncomingRequest, done: (end: IncomingEnd) => void): void;
  /**
   * Source: copies the guest; `done` once it stands still and all but its devices' last state is at the target. Refused:
   * the guest goes on here, untouched, or has ended (which is told as ever). Of disks that are copied: every write that the
   * guest was answered is on the target's storage, and nothing here writes to it any more (S15).
   */
  migrateOut(run: VmRun, request: OutgoingRequest, done: (end: HypervisorEnd) => void): void;
  /** Source: only while the owner record names this run. `done`: the guest goes on, and no trace of the move is left. */
  cancelOut(run: VmRun, done: (end: HypervisorEnd) => void): void;
  /**
   * Source: only after the owner record names the target. `done`: everything was sent, which says nothing of what arrives.
   * Refused: it was not, and the target will never have it. Either way the copy here stands still, whole; it goes on only if
   * it gets the ownership back (`adopt`, then `cancelOut`).
   */
  switchOver(run: VmRun, done: (end: HypervisorEnd) => void): void;
  /**
   * Target: only after the owner record names this run. `done` once the guest executes. Refused: not everything came within
   * `limitMs`, or nothing is there; it did not execute.
   */
  completeIncoming(run: VmRun, limitMs: number, done: (end: HypervisorEnd) => void): void;
  /**
   * Target: `done` says that nothing of the run is left and that it never executed; images that were made for it stay, for
   * their owner to remove. Refused: it may have executed.
   */
  abandonIncoming(run: VmRun, done: (end: HypervisorEnd) => void): void;
  /** After a move: whether the guest lives, beyond what QEMU says of the move. */
  checkGuest(run: VmRun, done: (health: GuestHealth) => void): void;
  watchMoves(listener: (event: MoveEvent) => void): void;
}
