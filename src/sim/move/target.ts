import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import type { GuestHealth, IncomingEnd, IncomingRequest } from "../../ports/migration.ts";
import type { MoveMachine, MoveNetwork, MoveQemu } from "./qemu.ts";

type Done = (end: HypervisorEnd) => void;
const pollMs = 5;
/** From the note until QEMU has heard. */
const goOnMs = 4;
const done: HypervisorEnd = { kind: "done" };

export class MoveTarget {
  readonly #machine: MoveMachine;
  readonly #network: MoveNetwork;

  constructor(machine: MoveMachine, network: MoveNetwork) {
    this.#machine = machine;
    this.#network = network;
  }

  prepareIncoming(request: IncomingRequest, end: (end: IncomingEnd) => void): void {
    const machine = this.#machine;
    const refused = machine.images.make(request);
    if (refused !== undefined) machine.later(2, () => end(refused));
    else
      this.#spawn(request, (over) => {
        if (over.kind === "refused") machine.images.unmake(request);
        end(over);
      });
  }

  #spawn(request: IncomingRequest, end: (end: IncomingEnd) => void): void {
    const machine = this.#machine;
    machine.spawn(request, (made) => {
      if ("kind" in made) return end(made);
      const addresses = request.addresses.filter((address) => machine.addresses.has(address));
      if (addresses.length > 0) {
        const door = { machine, qemu: made, copied: request.copied ?? [], taken: false };
        const doors = addresses.map((address) => ({ address, port: this.#network.open(address, door) }));
        return end({ kind: "waiting", doors });
      }
      const refusal = refuse("move-no-address", { vm: request.vm.name, addresses: request.addresses.join(", ") });
      machine.kill(request.run, (killed) => end(killed.kind === "done" ? refusal : killed));
    });
  }

  completeIncoming(run: VmRun, limitMs: number, end: Done): void {
    this.#machine.later(2, () => {
      const qemu = this.#machine.find(run);
      const { part } = qemu?.moving ?? {};
      if (qemu === undefined || part === "leaving" || part === "handed")
        return end(refuse("move-nothing-incoming", { vm: run.vm }));
      if (qemu.isFrozen()) return end(frozen(run));
      this.#untilAttached(qemu, limitMs, end, (leftMs) => {
        if (part === undefined) end(done);
        else if (part === "arriving") this.#goOn(qemu, end);
        else this.#untilWhole(qemu, leftMs, end);
      });
    });
  }

  /** Nobody can tell how it is with a guest whose QEMU says nothing yet. */
  #untilAttached(qemu: MoveQemu, leftMs: number, end: Done, then: (leftMs: number) => void): void {
    const { run } = qemu;
    if (this.#machine.isAttached(qemu)) then(leftMs);
    else if (!qemu.isAlive()) end(refuse("move-incomplete", { vm: run.vm, state: "lost" }));
    else if (leftMs <= 0) end({ kind: "unknown", cause: `QEMU of ${run.vm}.${run.epoch} does not answer` });
    else this.#machine.later(pollMs, () => this.#untilAttached(qemu, leftMs - pollMs, end, then));
  }

  #untilWhole(qemu: MoveQemu, leftMs: number, end: Done): void {
    const { run, moving } = qemu;
    if (!qemu.isAlive()) end(refuse("move-incomplete", { vm: run.vm, state: "lost" }));
    else if (qemu.isFrozen()) end(frozen(run));
    else if (moving.stream?.isWhole === true) this.#goOn(qemu, end);
    else if (leftMs <= 0) end(refuse("move-incomplete", { vm: run.vm, state: "late" }));
    else this.#machine.later(pollMs, () => this.#untilWhole(qemu, leftMs - pollMs, end));
  }

  /** Noted first: a driver that ends in between has done nothing else. */
  #goOn(qemu: MoveQemu, end: Done): void {
    const { moving, run } = qemu;
    moving.part = "arriving";
    this.#machine.later(goOnMs, () => {
      if (!qemu.isAlive()) return end(refuse("move-nothing-incoming", { vm: run.vm }));
      if (qemu.isFrozen()) return end(frozen(run));
      if (qemu.openImages()) {
        Object.assign(moving, { part: undefined, halted: false, stream: undefined });
        return end(done);
      }
      moving.part = "incoming";
      end(refuse("vm-image-locked", { vm: run.vm, detail: "locked" }));
    });
  }

  abandonIncoming(run: VmRun, end: Done): void {
    this.#machine.later(2, () => {
      const qemu = this.#machine.find(run);
      if (qemu === undefined) return end(done);
      if (qemu.moving.part !== "incoming") return end(refuse("move-has-executed", { vm: run.vm }));
      this.#machine.kill(run, end);
    });
  }

  checkGuest(run: VmRun, end: (health: GuestHealth) => void): void {
    this.#machine.later(2, () => {
      const qemu = this.#machine.find(run);
      const executes = qemu !== undefined && !qemu.moving.halted && !qemu.isFrozen() && qemu.isUp();
      end({ executes, agent: "absent" });
    });
  }
}

function frozen(run: VmRun): HypervisorEnd {
  return { kind: "unknown", cause: `${run.vm}.${run.epoch} is frozen` };
}
