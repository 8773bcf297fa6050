import type { VolumeId, WallMs } from "../../model/ids.ts";
import { refuse } from "../../model/reason.ts";
import { type CycleId, isSameCycle, type SealedCycle } from "../../model/replication-cycle.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import type { CycleEnd, CycleRequest, CycleSource } from "../../ports/replication-cycles.ts";
import type { ReplicaWorld, SimCycleAnswer, SimCycleOrder, SimExport, SimMirrorQemu } from "./machine.ts";
import { nameOf, type SimCycleRelay, type SimReplicatedHost } from "./source.ts";

const limits = {
  linkMs: 1,
  stepMs: 2,
  silentMs: 1_200,
  orderMs: 2_000,
  sealMs: 30_000,
  retryMs: 100,
  blocksPerMiB: 16,
} as const;

/** The agent's side at the host of the runs, as src/adapters/qemu/replica-cycle-source.ts is one. */
export class SimCycleSource implements CycleSource {
  isOpen = true;
  readonly #world: ReplicaWorld;
  readonly #host: SimReplicatedHost;
  readonly #underWay = new Map<string, Attempt>();

  constructor(world: ReplicaWorld, host: SimReplicatedHost) {
    this.#world = world;
    this.#host = host;
  }

  /** The agent is gone: what it began comes to nothing. */
  close(): void {
    this.isOpen = false;
    for (const attempt of this.#underWay.values()) attempt.isOver = true;
  }

  cycle(run: VmRun, request: CycleRequest, done: (end: CycleEnd) => void): void {
    this.#later(() => {
      const { vm } = run;
      const qemu = this.#world.answers?.(run) === false ? undefined : this.#qemu(run);
      if (qemu === undefined) return done(refuse("vm-not-running", { vm }));
      if (request.tls && !this.#host.isCertified) return done(refuse("replica-no-certificate", { vm }));
      if (this.#underWay.has(nameOf(run))) return done(refuse("cycle-under-way", { vm }));
      const attempt = new Attempt(this.#world, this.#host, { qemu, run }, request, (end) => {
        this.#underWay.delete(nameOf(run));
        this.#host.cycleRelays.delete(nameOf(run));
        done(end);
      });
      this.#host.cycleFolders.set(nameOf(run), run);
      this.#underWay.set(nameOf(run), attempt);
      this.#host.cycleRelays.set(nameOf(run), attempt);
      attempt.go();
    });
  }

  endCycles(run: VmRun, done: (end: HypervisorEnd) => void): void {
    this.#later(() => {
      if (!this.#host.cycleFolders.has(nameOf(run))) return done({ kind: "done" });
      if (this.#underWay.has(nameOf(run))) return done(refuse("cycle-under-way", { vm: run.vm }));
      if (this.#qemu(run) !== undefined && this.#world.answers?.(run) === false)
        return done({ kind: "unknown", cause: "QEMU does not answer" });
      for (const { noted } of this.#qemu(run)?.volumes ?? []) noted.clear();
      this.#host.cycleFolders.delete(nameOf(run));
      done({ kind: "done" });
    });
  }

  cycled(): readonly VmRun[] {
    return [...this.#host.cycleFolders.values()];
  }

  #qemu(run: VmRun): SimMirrorQemu | undefined {
    const qemu = this.#host.qemus.get(nameOf(run));
    return qemu?.isAlive === true ? qemu : undefined;
  }

  #later(act: () => void): void {
    this.#world.after(limits.stepMs, () => {
      if (this.isOpen) act();
    });
  }
}

type Sending = { readonly volume: number; readonly block: number; readonly value: number };

class Attempt implements SimCycleRelay {
  isOver = false;
  /** Stacked; and what reached its relay meanwhile. */
  #hangs = 0;
  readonly #unread: (() => void)[] = [];
  readonly #world: ReplicaWorld;
  readonly #host: SimReplicatedHost;
  readonly #qemu: SimMirrorQemu;
  /** As it is called since an adoption (S11). */
  readonly #run: VmRun;
  readonly #request: CycleRequest;
  readonly #end: (end: CycleEnd) => void;

  constructor(
    world: ReplicaWorld,
    host: SimReplicatedHost,
    { qemu, run }: { readonly qemu: SimMirrorQemu; readonly run: VmRun },
    request: CycleRequest,
    end: (end: CycleEnd) => void,
  ) {
    this.#world = world;
    this.#host = host;
    this.#qemu = qemu;
    this.#run = run;
    this.#request = request;
    this.#end = (given) => {
      if (this.isOver) return;
      this.isOver = true;
      end(given);
    };
  }

  go(): void {
    const { hungCycles } = this.#host;
    const name = nameOf(this.#run);
    const begin = (): void => {
      hungCycles.delete(name);
      if (!this.isOver) this.#begin();
    };
    // One that hangs says nothing as it is taken up, is ended for that, and the next one knows of no cycle.
    if (hungCycles.has(name)) this.#world.after(limits.orderMs, begin);
    else begin();
  }

  #begin(): void {
    this.#knock({ order: "ask", id: null, at: 0 as WallMs }, (asked) => {
      if (asked === undefined) return this.#break("the replica was not reached");
      const { last } = asked;
      const isNoted = (cycle: CycleId): boolean => this.#qemu.volumes.every(({ noted }) => noted.has(noteOf(cycle)));
      const base = last !== null && isNoted(last) ? idOf(last) : null;
      this.#forgetBut(base);
      const next = base === null ? { chain: this.#newChain(), sequence: 1 } : { ...base, sequence: base.sequence + 1 };
      this.#knock({ order: "open", id: next, at: 0 as WallMs }, (opened) => {
        if (opened === undefined || opened.problem !== null)
          return this.#break(opened?.problem ?? "the replica was not reached");
        this.#send(next, base);
      });
    });
  }

  /** All disks at one moment. */
  #send(next: CycleId, base: CycleId | null): void {
    const { volumes } = this.#qemu;
    const exports = this.#request.volumes.map(({ volume }) => this.#connect(volume)).filter((one) => one !== undefined);
    if (exports.length !== volumes.length) {
      this.#break("the replica was not reached");
      return;
    }
    const at = Math.floor(this.#world.wall?.() ?? this.#world.now()) as WallMs;
    const toSend = volumes.flatMap(({ disk, noted }, volume): Sending[] => {
      const blocks = base === null ? [...disk.keys()] : [...(noted.get(noteOf(base)) ?? [])];
      noted.set(noteOf(next), new Set());
      return blocks.map((block) => ({ volume, block, value: disk.get(block) ?? 0 }));
    });
    this.#world.cycleOf?.(this.#run.vm, next, new Map(volumes[0]?.disk));
    const since = this.#world.now();
    this.#sendFrom(0, toSend, exports, () => this.#seal({ ...next, at }, base, toSend.length, since));
  }

  #sendFrom(index: number, toSend: readonly Sending[], exports: readonly SimExport[], then: () => void): void {
    const one = toSend[index];
    if (this.isOver) return;
    if (!this.#qemu.isAlive) {
      this.#break("its QEMU has ended");
      return;
    }
    if (one === undefined) {
      then();
      return;
    }
    const { mibPerSecond } = this.#request;
    const pauseMs = mibPerSecond === null ? 0 : 1_000 / (mibPerSecond * limits.blocksPerMiB);
    let isAnswered = false;
    this.#through(() =>
      exports[one.volume]?.write(one.block, one.value, (isWritten) =>
        this.#through(() => {
          if (!isWritten) return this.#break("the replica could not write");
          isAnswered = true;
          this.#world.after(pauseMs, () => this.#sendFrom(index + 1, toSend, exports, then));
        }),
      ),
    );
    const look = (): void => {
      if (isAnswered) return;
      // Whether the replica answers is for the relay to see.
      if (this.#hangs > 0) this.#world.after(limits.silentMs, look);
      else this.#break("the replica is silent");
    };
    this.#world.after(limits.silentMs, look);
  }

  #seal(cycle: Omit<SealedCycle, "point">, base: CycleId | null, blocks: number, since: number): void {
    this.#knock({ order: "seal", id: idOf(cycle), at: cycle.at }, (answer) => {
      if (answer !== undefined && answer.problem !== null) return this.#break(answer.problem);
      if (answer !== undefined && answer.last !== null && isSameCycle(answer.last, cycle)) {
        this.#forgetBut(cycle);
        const sentMiB = blocks / limits.blocksPerMiB;
        return this.#end({ kind: "sealed", cycle: answer.last, sentMiB, whole: base === null });
      }
      if (this.#world.now() - since > limits.sealMs)
        return this.#end({ kind: "unknown", cause: "whether it is sealed was not told" });
      this.#world.after(limits.retryMs, () => this.#seal(cycle, base, blocks, since));
    });
  }

  loseRelay(): void {
    this.#break("its relay was lost");
  }

  /** It is asked as long as its cycle is under way, and replaced once it is silent: by one that knows of no cycle. */
  hangRelay(): void {
    this.#hangs += 1;
    this.#world.after(limits.orderMs, () => {
      if (this.#hangs > 0) this.#break("its relay does not answer");
    });
  }

  relayGoesOn(): void {
    this.#hangs -= 1;
    if (this.#hangs === 0) for (const act of this.#unread.splice(0)) act();
  }

  #break(detail: string): void {
    this.#end({ kind: "broken", code: "cycle-broken", params: { vm: this.#run.vm, detail } });
  }

  /** `done` with undefined: nobody answered, or the answer got lost. */
  #knock(order: SimCycleOrder, done: (answer: SimCycleAnswer | undefined) => void): void {
    const { vm, epoch } = this.#run;
    this.#world.after(limits.linkMs, () => {
      if (this.isOver) return;
      const answer = this.#connects() ? this.#door()?.cycles?.(this.#host.id, vm, epoch, order) : undefined;
      this.#world.after(limits.linkMs, () => {
        if (!this.isOver) done(this.#connects() ? answer : undefined);
      });
    });
  }

  #connect(volume: VolumeId): SimExport | undefined {
    const { vm, epoch } = this.#run;
    const open = this.#connects() ? this.#door()?.doorkeeper(this.#host.id, vm, epoch, volume) : undefined;
    return open === "other" ? undefined : open;
  }

  #door(): ReturnType<ReplicaWorld["find"]> {
    return this.#request.doors.map((door) => this.#world.find(door)).find((one) => one !== undefined);
  }

  #connects(): boolean {
    return this.#world.connects(this.#host.id, this.#request.to);
  }

  #through(act: () => void): void {
    this.#world.after(limits.linkMs, () => {
      if (this.#hangs > 0) this.#unread.push(() => this.#through(act));
      else if (this.#connects()) act();
    });
  }

  #forgetBut(keep: CycleId | null): void {
    for (const { noted } of this.#qemu.volumes)
      for (const name of [...noted.keys()]) if (keep === null || name !== noteOf(keep)) noted.delete(name);
  }

  /** Never twice in one world: the moment is in it. */
  #newChain(): string {
    return `c${this.#run.epoch}x${String(Math.floor(this.#world.now())).padStart(10, "0")}`;
  }
}

function idOf({ chain, sequence }: CycleId): CycleId {
  return { chain, sequence };
}

function noteOf({ chain, sequence }: CycleId): string {
  return `${chain}.${sequence}`;
}
