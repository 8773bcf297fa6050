import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import type { MoveProgress, OutgoingRequest } from "../../ports/migration.ts";
import type { SimImage } from "./images.ts";
import type { MoveDoor, MoveMachine, MoveNetwork, MoveQemu } from "./qemu.ts";
import { MoveStream } from "./stream.ts";

type Done = (end: HypervisorEnd) => void;
/** Of one driver: attempts that it conducts. A new driver knows of none. */
export type Attempts = Map<MoveQemu, { givenUp: boolean }>;

const knockMs = 2;
const silentDoorMs = 2_000;
const pollMs = 10;
/** MiB a second where no bound is set. */
const linkMiBps = 200;
const handOverLimitMs = 10_000;
/** So long QEMU is asked how far a move is that is called off. */
const callOffLimitMs = 2_000;
const done: HypervisorEnd = { kind: "done" };

export class MoveSource {
  readonly #machine: MoveMachine;
  readonly #network: MoveNetwork;
  readonly #attempts: Attempts = new Map();

  constructor(machine: MoveMachine, network: MoveNetwork) {
    this.#machine = machine;
    this.#network = network;
  }

  migrateOut(run: VmRun, request: OutgoingRequest, end: Done): void {
    const machine = this.#machine;
    machine.later(2, () => {
      const qemu = machine.find(run);
      if (qemu === undefined) return end(refuse("vm-not-running", { vm: run.vm }));
      const refusal = this.#whyNot(qemu);
      if (refusal !== undefined) return end(refusal);
      const attempt = { givenUp: false };
      this.#attempts.set(qemu, attempt);
      qemu.moving.part = "leaving";
      this.#knock(qemu, request, [], (over) => {
        this.#attempts.delete(qemu);
        end(attempt.givenUp ? refuse("move-cancelled", { vm: run.vm }) : over);
      });
    });
  }

  #whyNot(qemu: MoveQemu): HypervisorEnd | undefined {
    const { vm } = qemu.run;
    if (qemu.moving.part !== undefined) return refuse("move-under-way", { vm });
    if (qemu.isFrozen() || !this.#machine.isAttached(qemu)) return refuse("vm-unresponsive", { vm });
    return qemu.isUp() ? undefined : refuse("move-guest-stands", { vm });
  }

  #knock(qemu: MoveQemu, request: OutgoingRequest, tried: readonly string[], end: Done): void {
    const door = request.doors[tried.length];
    if (door === undefined || this.#isGivenUp(qemu)) {
      this.#goBack(qemu, () =>
        end(refuse("move-no-link", { vm: qemu.run.vm, to: request.to, tried: tried.join("; ") })),
      );
      return;
    }
    const found = this.#network.doors.get(`${door.address}:${door.port}`);
    const reached = found !== undefined && this.#network.connects(this.#machine, found.machine);
    this.#machine.later(reached || found === undefined ? knockMs : silentDoorMs, () => {
      const why = reached ? whyClosed(found, request) : "nobody answers";
      if (found === undefined || why !== null)
        return this.#knock(qemu, request, [...tried, `${door.address}: ${why}`], end);
      found.taken = true;
      this.#copy(qemu, found, request, door.address, end);
    });
  }

  #copy(qemu: MoveQemu, door: MoveDoor, request: OutgoingRequest, link: string, end: Done): void {
    if (this.#isGivenUp(qemu)) {
      end(done);
      return;
    }
    const machine = this.#machine;
    const { run, vm, moving } = qemu;
    const mibPerSecond = Math.min(request.bandwidthMiBps ?? linkMiBps, linkMiBps);
    const copyMs = (vm.spec.memoryMiB / mibPerSecond) * 1_000;
    const { copied = [] } = request;
    const disksMiB = copied.reduce((sum, i) => sum + (vm.spec.disks[i]?.sizeMiB ?? 0), 0);
    if (copied.length === 0) moving.halted = machine.accel === "tcg";
    const stream = new MoveStream(qemu, door.qemu, {
      source: machine,
      target: door.machine,
      copyMs,
      disksMs: (disksMiB / mibPerSecond) * 1_000,
      begun: () => {
        moving.halted = machine.accel === "tcg";
      },
      // What was written before the guest stood still is in them from now on.
      mirrored: () => {
        mirror(qemu.imagesOf(copied), door.qemu.imagesOf(door.copied));
        const volumes = copied.flatMap((i) => vm.spec.disks[i]?.volume ?? []);
        this.#network.mirrored(machine, door, volumes);
      },
      connects: () => this.#network.connects(machine, door.machine),
      progress: (share) => {
        const remainingMiB = Math.ceil(vm.spec.memoryMiB * (1 - share));
        const guest: MoveProgress["guest"] = moving.halted || share === 1 ? "stopped" : "runs";
        const percent = share === 1 ? 100 : Math.min(99, Math.floor(share * 100));
        const expectedDowntimeMs = moving.halted ? Math.ceil(copyMs) : 30;
        const progress = { percent, mibPerSecond, remainingMiB, expectedDowntimeMs, link, guest };
        machine.tell({ kind: "progress", run, progress });
      },
    });
    moving.stream = stream;
    door.qemu.moving.stream = stream;
    this.#follow(qemu, stream, end);
  }

  #follow(qemu: MoveQemu, stream: MoveStream, end: Done): void {
    const { vm } = qemu.run;
    const broke = refuse("move-broke-off", { vm, detail: "the target went away" });
    if (!qemu.isAlive()) end(refuse("vm-not-running", { vm }));
    else if (this.#isGivenUp(qemu) || stream.state === "ready") end(done);
    else if (stream.isOver) this.#goBack(qemu, (back) => end(back.kind === "unknown" ? back : broke));
    else this.#machine.later(pollMs, () => this.#follow(qemu, stream, end));
  }

  #isGivenUp(qemu: MoveQemu): boolean {
    return this.#attempts.get(qemu)?.givenUp === true;
  }

  cancelOut(run: VmRun, end: Done): void {
    this.#machine.later(2, () => {
      const qemu = this.#machine.find(run);
      if (qemu === undefined) return end(refuse("vm-not-running", { vm: run.vm }));
      if (qemu.moving.part === "handed") return end(refuse("move-handed-over", { vm: run.vm }));
      if (qemu.moving.part !== "leaving") return end(done);
      if (qemu.isFrozen()) return end(frozen(run));
      const attempt = this.#attempts.get(qemu);
      if (attempt !== undefined) attempt.givenUp = true;
      this.#afterAttempt(qemu, () => this.#untilAttached(qemu, callOffLimitMs, end, () => this.#goBack(qemu, end)));
    });
  }

  #afterAttempt(qemu: MoveQemu, act: () => void): void {
    if (this.#attempts.has(qemu)) this.#machine.later(pollMs, () => this.#afterAttempt(qemu, act));
    else act();
  }

  #goBack(qemu: MoveQemu, end: Done): void {
    this.#machine.later(2, () => {
      const { moving, run } = qemu;
      if (!qemu.isAlive()) return end(refuse("vm-not-running", { vm: run.vm }));
      if (qemu.isFrozen()) return end(frozen(run));
      moving.stream?.cancel();
      if (!qemu.openImages()) return end(refuse("move-qemu-refused", { vm: run.vm, detail: "an image is locked" }));
      Object.assign(moving, { part: undefined, halted: false, stream: undefined });
      end(done);
    });
  }

  switchOver(run: VmRun, end: Done): void {
    this.#machine.later(2, () => {
      const qemu = this.#machine.find(run);
      if (qemu === undefined) return end({ kind: "unknown", cause: `${run.vm}.${run.epoch} is not there any more` });
      const { moving } = qemu;
      const isReady = moving.stream?.state === "ready" && moving.part === "leaving" && !this.#attempts.has(qemu);
      if (moving.part !== "handed" && !isReady) return end(refuse("move-not-ready", { vm: run.vm }));
      if (qemu.isFrozen()) return end(frozen(run));
      this.#untilAttached(qemu, handOverLimitMs, end, () => {
        if (qemu.isFrozen()) return end(frozen(run));
        moving.part = "handed";
        moving.stream?.handOver();
        this.#untilHanded(qemu, handOverLimitMs, end);
      });
    });
  }

  #untilAttached(qemu: MoveQemu, leftMs: number, end: Done, then: () => void): void {
    const { run } = qemu;
    if (this.#machine.isAttached(qemu)) then();
    else if (!qemu.isAlive() || leftMs <= 0)
      end({ kind: "unknown", cause: `QEMU of ${run.vm}.${run.epoch} does not answer` });
    else this.#machine.later(pollMs, () => this.#untilAttached(qemu, leftMs - pollMs, end, then));
  }

  #untilHanded(qemu: MoveQemu, leftMs: number, end: Done): void {
    const { run, moving } = qemu;
    const isGone = !qemu.isAlive() || leftMs <= 0;
    if (moving.stream?.state === "completed") end(done);
    else if (isGone) end({ kind: "unknown", cause: `the hand-over of ${run.vm}.${run.epoch}` });
    else if (moving.stream?.isOver !== false) end(refuse("move-hand-over-failed", { vm: run.vm }));
    else this.#machine.later(pollMs, () => this.#untilHanded(qemu, leftMs - pollMs, end));
  }
}

function mirror(from: readonly SimImage[], to: readonly SimImage[]): void {
  for (const [i, image] of to.entries()) Object.assign(image, from[i] ?? {});
}

function whyClosed({ machine, qemu, taken }: MoveDoor, { as }: OutgoingRequest): string | null {
  if (!qemu.isAlive() || !machine.isOpen()) return "the door was closed";
  if (qemu.run.vm !== as.vm || qemu.run.epoch !== as.epoch) return "another run waits here";
  return taken ? "somebody was here before" : null;
}

function frozen(run: VmRun): HypervisorEnd {
  return { kind: "unknown", cause: `${run.vm}.${run.epoch} is frozen` };
}
