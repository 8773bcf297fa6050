import type { Refusal } from "../../model/reason.ts";
import type { HypervisorEnd, StartRequest, VmRun } from "../../ports/hypervisor.ts";
import type { MoveEvent } from "../../ports/migration.ts";
import type { MoveMachine, MoveNetwork, MoveQemu } from "../move/qemu.ts";
import { MoveSource } from "../move/source.ts";
import { MoveTarget } from "../move/target.ts";
import { runKey } from "./copy.ts";
import type { Copy, SimHost } from "./host.ts";
import type { Life } from "./process.ts";
import type { Qemus } from "./qemus.ts";

export type MovesOptions = {
  readonly host: SimHost;
  readonly life: Life;
  readonly qemus: Qemus;
  readonly spawn: (request: StartRequest, done: (made: Refusal | Copy) => void) => void;
  readonly kill: (run: VmRun, done: (end: HypervisorEnd) => void) => void;
  /** This driver is the one that is open. */
  readonly isMine: () => boolean;
};

/** A QEMU that takes memory in, or a host that is busy, lets a new driver wait so long for its first word. */
const attachMsMax = 2_000;

/** Where a host of the world can be reached for moves. */
export function moveAddress(host: Pick<SimHost, "number">): string {
  return `10.0.1.${host.number + 1}`;
}

/** Live moves of one driver's life, over what really runs on its host. */
export class DriverMoves {
  readonly source: MoveSource;
  readonly target: MoveTarget;
  #listener: ((event: MoveEvent) => void) | undefined;
  readonly #unheard: MoveEvent[] = [];
  readonly #life: Life;

  constructor(options: MovesOptions, network: MoveNetwork) {
    const machine = this.#machine(options);
    this.#life = options.life;
    this.source = new MoveSource(machine, network);
    this.target = new MoveTarget(machine, network);
  }

  watch(listener: (event: MoveEvent) => void): void {
    this.#listener = listener;
    for (const event of this.#unheard.splice(0)) listener(event);
  }

  tell(event: MoveEvent): void {
    this.#life.post(() => {
      if (this.#listener === undefined) this.#unheard.push(event);
      else this.#listener(event);
    });
  }

  #machine({ host, life, qemus, spawn, kill, isMine }: MovesOptions): MoveMachine {
    const found = new Set([...host.copies.values()].map((copy) => copy.moving));
    const openedAt = host.scheduler.now;
    let attachesAt: number | undefined;
    return {
      id: host.id,
      accel: host.accel,
      addresses: new Set([moveAddress(host)]),
      isOpen: () => isMine() && host.works,
      find: (run) => {
        const copy = host.copies.get(runKey(run));
        return copy === undefined ? undefined : qemuOf(qemus, copy);
      },
      isAttached: ({ moving }) => {
        const copy = [...host.copies.values()].find((one) => one.moving === moving);
        if (copy !== undefined && !host.answers(copy, openedAt)) return false;
        if (!found.has(moving)) return true;
        attachesAt ??= openedAt + qemus.drawMs(0, attachMsMax);
        return host.scheduler.now >= attachesAt;
      },
      spawn: (request, done) => spawn(request, (made) => done("kind" in made ? made : qemuOf(qemus, made))),
      kill,
      after: (ms, act) => host.after(ms, act),
      later: (ms, act) => life.after(ms, act),
      tell: (event) => this.tell(event),
      images: host.images,
    };
  }
}

const known = new WeakMap<Copy, MoveQemu>();

function qemuOf(qemus: Qemus, copy: Copy): MoveQemu {
  const before = known.get(copy);
  if (before !== undefined) return before;
  const made: MoveQemu = {
    get run() {
      return copy.run;
    },
    vm: copy.vm,
    moving: copy.moving,
    isAlive: () => copy.alive,
    isFrozen: () => copy.hangs > 0 || copy.host.isFrozen(copy.run),
    isUp: () => !copy.paused,
    hasWritesUnderWay: () => copy.host.scheduler.now < copy.diesNotBefore || qemus.isWriting(copy),
    openImages: () => qemus.openImages(copy),
    closeImages: () => qemus.closeImages(copy),
    imagesOf: (disks) => disks.flatMap((i) => copy.host.images.all.get(copy.vm.spec.disks[i]?.volume ?? "") ?? []),
    end: () => qemus.endByItself(copy, "killed"),
  };
  known.set(copy, made);
  return made;
}
