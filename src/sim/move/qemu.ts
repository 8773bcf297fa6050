import type { Refusal } from "../../model/reason.ts";
import type { Vm } from "../../model/records.ts";
import type { HypervisorEnd, MovePart, VmRun } from "../../ports/hypervisor.ts";
import type { IncomingRequest, MoveEvent } from "../../ports/migration.ts";
import type { SimImage, SimImages } from "./images.ts";

/** What each simulated QEMU knows of its part in a move; it outlives drivers, as `run.json` does. */
export type Moving = {
  part: MovePart | undefined;
  /** Its guest stands still for a move. */
  halted: boolean;
  stream: Stream | undefined;
};

/** A connection between two QEMUs, as one of them sees it (stream.ts). */
export interface Stream {
  readonly state: "copying" | "ready" | "handing" | "completed" | "failed" | "cancelled";
  readonly isOver: boolean;
  /** The target has everything. Its source never knows; `completed` is said of what was sent. */
  readonly isWhole: boolean;
  /** `migrate_cancel`. */
  cancel(): void;
  /** `migrate-continue`. */
  handOver(): void;
}

export function notMoving(): Moving {
  return { part: undefined, halted: false, stream: undefined };
}

/** One QEMU, as the simulated moves of any simulated machine see it. */
export interface MoveQemu {
  readonly run: VmRun;
  readonly vm: Vm;
  readonly moving: Moving;
  isAlive(): boolean;
  /** Its cgroup or its host stands still. */
  isFrozen(): boolean;
  /** Its guest has not ended, and is not paused by anything but a move. */
  isUp(): boolean;
  /** Its disks have not answered all that it wrote: it cannot stop its guest before they have. */
  hasWritesUnderWay(): boolean;
  /** False: another process has one of them, and it has none. */
  openImages(): boolean;
  closeImages(): void;
  /** The images in this host's local pools of these disks, by their place in the spec; what is written so far is in them. */
  imagesOf(disks: readonly number[]): readonly SimImage[];
  /** It ends by itself, as a QEMU does whose source is gone. */
  end(): void;
}

/** What the simulated moves need of a simulated machine, and of the driver that is open on it. */
export interface MoveMachine {
  readonly id: string;
  readonly accel: "kvm" | "tcg";
  readonly addresses: ReadonlySet<string>;
  /** False once this driver is closed. */
  isOpen(): boolean;
  find(run: VmRun): MoveQemu | undefined;
  /** Its QMP has answered this driver. One that was there before the driver comes to that in its own time. */
  isAttached(qemu: MoveQemu): boolean;
  /** A QEMU that waits for a guest; refused as a start is. */
  spawn(request: IncomingRequest, done: (made: Refusal | MoveQemu) => void): void;
  readonly images: SimImages;
  kill(run: VmRun, done: (end: HypervisorEnd) => void): void;
  /** In virtual time, whatever driver is open then; not once the machine is off. */
  after(ms: number, act: () => void): void;
  /** In virtual time, and only if this driver is still open. */
  later(ms: number, act: () => void): void;
  tell(event: MoveEvent): void;
}

/** The network between machines: which doors there are, and what gets through. */
export type MoveDoor = {
  readonly machine: MoveMachine;
  readonly qemu: MoveQemu;
  readonly copied: readonly number[];
  taken: boolean;
};
export class MoveNetwork {
  readonly doors = new Map<string, MoveDoor>();
  readonly #connects: (a: MoveMachine, b: MoveMachine) => boolean;
  #lastPort = 40_000;

  /** `connects`: both ways get through. */
  constructor(connects: (a: MoveMachine, b: MoveMachine) => boolean = () => true) {
    this.#connects = connects;
  }

  /** The disks that go along are whole at the target. */
  mirrored: (from: MoveMachine, door: MoveDoor, volumes: readonly string[]) => void = () => undefined;

  open(address: string, door: MoveDoor): number {
    this.#lastPort += 1;
    this.doors.set(`${address}:${this.#lastPort}`, door);
    return this.#lastPort;
  }

  connects(a: MoveMachine, b: MoveMachine): boolean {
    return this.#connects(a, b);
  }
}
