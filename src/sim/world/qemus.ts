import type { SeededRandom } from "../../base/random.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { VmExit } from "../../model/records.ts";
import type { StartRequest, VmRun } from "../../ports/hypervisor.ts";
import { localVolumesOf } from "../move/images.ts";
import { notMoving } from "../move/qemu.ts";
import { folderName, runKey } from "./copy.ts";
import type { Copy, SimHost } from "./host.ts";

/** What the ground truth is told of QEMUs. */
export type QemuWitness = {
  /** Right before the process opens its images: whatever the image lock then says, it would have been a second writer. */
  readonly starting: (copy: Copy) => void;
  readonly adopting: (copy: Copy, as: VmRun) => void;
  readonly ended: (copy: Copy, exit: VmExit) => void;
  /** Its images come about by replication too. */
  readonly isReplicated: (vm: VmRun["vm"]) => boolean;
  /** A write of its guest's has not been answered. */
  readonly isWriting: (copy: Copy) => boolean;
  /** It is there, and waits for its guest. */
  readonly awaits: (copy: Copy) => void;
  /** Its guest was sent away whole: it has let go of its images for good. */
  readonly left: (copy: Copy) => void;
  /** It was adopted in the midst of sending its guest away, let go of its images only then, and has them again. */
  readonly takesUp: (copy: Copy) => void;
};

/** All QEMU processes of the world, and the image locks of the storage that hosts share. */
export class Qemus {
  readonly #random: SeededRandom;
  readonly #witness: QemuWitness;
  /** Which process holds an image open for writing; kept also while it is frozen. */
  readonly #locks = new Map<string, Copy>();
  /** Volumes whose image is not there; every other one is. */
  readonly missing = new Set<string>();
  /** Processes that were frozen before they could become QEMU. */
  readonly #standing = new Set<Copy>();
  #lastId = 0;

  constructor(random: SeededRandom, witness: QemuWitness) {
    this.#random = random;
    this.#witness = witness;
  }

  isWriting(copy: Copy): boolean {
    return this.#witness.isWriting(copy);
  }

  drawMs(min: number, max: number): number {
    return min + this.#random.below(Math.max(1, max - min));
  }

  chance(probability: number): boolean {
    return this.#random.chance(probability);
  }

  /** The process is inside its cgroup before exec: a removed incarnation starts nothing (S6). */
  spawn(host: SimHost, request: StartRequest): Refusal | { readonly kind: "spawned"; readonly copy: Copy } {
    const made = this.#make(host, request);
    if (made.kind === "refused") return made;
    const { copy, folder } = made;
    const { run } = copy;
    // A late start below a frozen cgroup stands before its exec: it opens no image (S6).
    if (folder.frozen || host.tree.frozenLevels.size > 0) this.#standing.add(copy);
    else {
      this.#witness.starting(copy);
      if (!this.#open(copy))
        return refuse("vm-image-locked", { vm: run.vm, detail: "another process holds the image" });
    }
    host.copies.set(runKey(run), copy);
    folder.runs.add(folderName(run));
    return { kind: "spawned", copy };
  }

  /** It waits for a guest: it opens no image, and executes nothing. */
  spawnIncoming(host: SimHost, request: StartRequest): Refusal | { readonly kind: "spawned"; readonly copy: Copy } {
    const made = this.#make(host, request);
    if (made.kind === "refused") return made;
    const { copy, folder } = made;
    Object.assign(copy.moving, { part: "incoming", halted: true });
    this.#witness.awaits(copy);
    host.copies.set(runKey(copy.run), copy);
    folder.runs.add(folderName(copy.run));
    return { kind: "spawned", copy };
  }

  #make(host: SimHost, { run, vm, pools }: StartRequest) {
    const folder = host.tree.folders.get(run.incarnation);
    if (folder === undefined) return refuse("incarnation-gone", { vm: run.vm, incarnation: run.incarnation });
    const missing = vm.spec.disks.find(({ volume }) => this.missing.has(volume));
    if (missing !== undefined) return refuse("vm-image-missing", { vm: run.vm, path: missing.volume });
    const local = localVolumesOf(vm, pools);
    const gone = local.find((volume) => !host.images.all.has(volume) && !this.#witness.isReplicated(run.vm));
    if (gone !== undefined) return refuse("vm-image-missing", { vm: run.vm, path: gone });
    if (host.trouble.startsFail > 0) return refuse("vm-start-failed", { vm: run.vm, detail: "as the fault wants" });
    const strict = pools.some((pool) => pool.kind === "shared-dir");
    this.#lastId += 1;
    const life = {
      spawnedAt: host.scheduler.now,
      alive: true,
      paused: false,
      isHalted: false,
      hangs: 0,
      diesNotBefore: 0,
      killedBy: undefined,
      imagesOpen: false,
      isTakenBack: false,
      moving: notMoving(),
    };
    const copy: Copy = { id: this.#lastId, host, vm, strict, run, local, ...life };
    return { kind: "made" as const, copy, folder };
  }

  /** A guest that came in goes on here: to the truth that is a start, unless it was taken back. False: another process has its images. */
  openImages(copy: Copy): boolean {
    const { isTakenBack } = copy;
    copy.isTakenBack = false;
    if (copy.imagesOpen) return true;
    if (isTakenBack) this.#witness.takesUp(copy);
    else this.#witness.starting(copy);
    return !this.#isLocked(copy) && this.#open(copy);
  }

  closeImages(copy: Copy): void {
    copy.imagesOpen = false;
    this.#witness.left(copy);
    for (const [image, holder] of this.#locks) if (holder === copy) this.#locks.delete(image);
  }

  /** The guards let the host's VMs go on: what stood before its exec starts now. */
  goOn(host: SimHost): void {
    for (const copy of [...this.#standing]) {
      if (copy.host !== host || host.tree.folders.get(copy.run.incarnation)?.frozen !== false) continue;
      this.#standing.delete(copy);
      if (!copy.alive) continue;
      this.#witness.starting(copy);
      if (!this.#open(copy)) this.#ended(copy, "start-failed");
    }
  }

  /** Its main loop stands still until that is undone; a signal ends it all the same. */
  hang(copy: Copy): () => void {
    copy.hangs += 1;
    return () => {
      copy.hangs -= 1;
    };
  }

  adopted(copy: Copy, as: VmRun): void {
    this.#standing.delete(copy);
    this.#witness.adopting(copy, as);
    copy.run = as;
    copy.isTakenBack = copy.imagesOpen && copy.moving.stream?.isOver === false;
    this.#open(copy);
  }

  /** False: another process holds an image, and this one has ended for that. */
  #open(copy: Copy): boolean {
    copy.alive = !this.#isLocked(copy);
    copy.imagesOpen = copy.alive;
    if (copy.alive && copy.strict) for (const image of imagesOf(copy)) this.#locks.set(image, copy);
    return copy.alive;
  }

  #isLocked(copy: Copy): boolean {
    if (!copy.strict) return false;
    return imagesOf(copy).some((image) => {
      const holder = this.#locks.get(image);
      return holder?.alive === true && holder !== copy;
    });
  }

  /** A disk that somebody has open is never pulled away. */
  isOpen(host: SimHost, volume: string): boolean {
    return [...host.copies.values()].some(
      ({ alive, imagesOpen, local }) => alive && imagesOpen && local.includes(volume),
    );
  }

  /** SIGKILL by the cgroup: works on what is frozen; a thread in uninterruptible I/O ends when its I/O does. */
  kill(copy: Copy, exit: VmExit, by: "driver" | "guard"): void {
    copy.killedBy ??= by;
    const now = copy.host.scheduler.now;
    copy.host.after(Math.max(this.drawMs(4, 30), copy.diesNotBefore - now), () => {
      if (!copy.alive) return;
      if (copy.host.scheduler.now < copy.diesNotBefore) return this.kill(copy, exit, by);
      this.#ended(copy, exit);
    });
  }

  /** It ends by itself: a crash, a panic, a guest that shuts down. */
  endByItself(copy: Copy, exit: VmExit): void {
    if (!copy.alive || copy.host.scheduler.now < copy.diesNotBefore) return;
    if (exit !== "killed" && !copy.host.executes(copy)) return;
    this.#ended(copy, exit);
  }

  /** The driver looks at the cgroup: it tells of the end unless an operation of its own is waiting for just that. */
  #ended(copy: Copy, exit: VmExit): void {
    copy.host.bury(copy, exit);
    this.#witness.ended(copy, exit);
    const record = copy.host.records.get(runKey(copy.run));
    if (record !== undefined) copy.host.driver?.tellExit(record);
  }
}

/** What it locks: an image of a local pool is another one on each host. */
function imagesOf({ vm, host, local }: Copy): readonly string[] {
  return vm.spec.disks.map(({ volume }) => (local.includes(volume) ? `${host.id}/${volume}` : volume));
}
