import type { WallMs } from "../../model/ids.ts";
import { isBranch } from "../../model/point-records.ts";
import { refuse } from "../../model/reason.ts";
import type { VmRun } from "../../ports/hypervisor.ts";
import type { PointEnd, PointRequest, PointSource } from "../../ports/replication-points.ts";
import type { ReplicaWorld, SimPointAnswer, SimPointOrder } from "./machine.ts";
import type { SimReplicaSource } from "./source.ts";

const limits = { linkMs: 1, prepareMs: 20, silentMs: 900, keepTries: 5, keepRetryMs: 200 } as const;

/** The agent's side at the host of the runs, as src/adapters/qemu/replica-point-source.ts is one. */
export class SimPointSource implements PointSource {
  readonly #world: ReplicaWorld;
  readonly #source: SimReplicaSource;

  constructor(world: ReplicaWorld, source: SimReplicaSource) {
    this.#world = world;
    this.#source = source;
  }

  takePoint(run: VmRun, request: PointRequest, done: (end: PointEnd) => void): void {
    if (request.origin === "resync" || isBranch(request.origin)) {
      this.#knock(run, request, "keep-last", (answer) => done(endOf(run, answer)));
      return;
    }
    const before = this.#source.relayWord(run);
    if (before === undefined) {
      done(refuse("replica-not-attached", { vm: run.vm }));
      return;
    }
    this.#knock(run, request, "prepare", (prepared) => {
      if (prepared?.problem !== null) return done(refusedBy(run, prepared));
      this.#source.bar(run, (barred) => {
        if (barred.kind !== "done") return this.#drop(run, request, "it did not hold", done);
        this.#knock(run, request, "take", (taken) =>
          this.#source.unbar(run, (end) => {
            const held = end.kind === "done" && this.#source.relayWord(run) === before;
            if (taken?.problem !== null || !held) return this.#drop(run, request, "it did not hold", done);
            this.#keep(run, request, limits.keepTries, done);
          }),
        );
      });
    });
  }

  #keep(run: VmRun, request: PointRequest, left: number, done: (end: PointEnd) => void): void {
    this.#knock(run, request, "keep", (answer) => {
      if (answer !== undefined) return done(endOf(run, answer));
      if (left <= 1) return done({ kind: "unknown", cause: "whether it is kept was not told" });
      this.#world.after(limits.keepRetryMs, () => this.#keep(run, request, left - 1, done));
    });
  }

  #drop(run: VmRun, request: PointRequest, detail: string, done: (end: PointEnd) => void): void {
    this.#knock(run, request, "drop", () => done(refuse("replica-point-failed", { vm: run.vm, detail })));
  }

  /** Undefined: nobody answered, or the answer got lost. */
  #knock(
    run: VmRun,
    { doors, to, id, origin }: PointRequest,
    order: SimPointOrder["order"],
    done: (answer: SimPointAnswer | undefined) => void,
  ): void {
    const from = this.#source.id;
    const { vm, epoch } = run;
    const lost = (): void => this.#world.after(limits.silentMs, () => done(undefined));
    this.#world.after(order === "prepare" ? limits.prepareMs : limits.linkMs, () => {
      const door = doors.map((one) => this.#world.find(one)).find((one) => one !== undefined);
      if (door === undefined || !this.#world.connects(from, to)) return lost();
      const answer = door.points?.(from, vm, epoch, { order, id, origin });
      this.#world.after(limits.linkMs, () => {
        if (this.#world.connects(from, to)) done(answer);
        else lost();
      });
    });
  }
}

function endOf(run: VmRun, answer: SimPointAnswer | undefined): PointEnd {
  if (answer?.problem === null)
    return { kind: "taken", at: (answer.at ?? 0) as WallMs, consistency: "crash", stoodMs: 1 };
  return answer === undefined ? { kind: "unknown", cause: "nobody answers" } : refusedBy(run, answer);
}

function refusedBy({ vm }: VmRun, answer: SimPointAnswer | undefined): PointEnd {
  return refuse("replica-point-failed", { vm, detail: answer?.problem ?? "nobody answers" });
}
