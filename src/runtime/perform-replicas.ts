import type { PointEffect, PointNews } from "../agent/point-state.ts";
import type { ReplicaEffect, ReplicaNews } from "../agent/replica-state.ts";
import type { AloneNotes } from "../ports/alone-notes.ts";
import type { HypervisorEnd } from "../ports/hypervisor.ts";
import type { ReplicaSource, ReplicaTarget } from "../ports/replication.ts";
import type { CycleSource, CycleTarget } from "../ports/replication-cycles.ts";
import type { PointSource } from "../ports/replication-points.ts";
import type { PointProver } from "../ports/replication-proof.ts";

export type Replicas = {
  readonly source: ReplicaSource;
  readonly cycles: CycleSource;
  readonly target: ReplicaTarget & CycleTarget;
  readonly points: PointSource;
  readonly prover: PointProver;
  /** What is noted here is read whatever the configuration says now (S23). */
  readonly alone?: AloneNotes | undefined;
};

/** What the agent orders of replication; `ended` for ends that say nothing but how it went. */
export function performReplica(
  { source, cycles, target, alone }: Replicas,
  effect: ReplicaEffect,
  tell: (news: ReplicaNews) => void,
  ended: (op: number, end: HypervisorEnd) => void,
): void {
  const { op } = effect;
  const done = (end: HypervisorEnd): void => ended(op, end);
  switch (effect.kind) {
    case "receive":
      if (effect.inCycles) target.receiveCycles(effect.request, (end) => tell({ kind: "received", op, end }));
      else target.receive(effect.request, (end) => tell({ kind: "received", op, end }));
      return;
    case "cease":
      if (effect.before !== null && effect.back !== undefined)
        target.ceaseAt(effect.vm, effect.before, effect.back, (end) => tell({ kind: "ceased", op, end }));
      else if (effect.before === null) target.cease(effect.vm, (end) => tell({ kind: "ceased", op, end }));
      else target.ceaseForStart(effect.vm, effect.before, (end) => tell({ kind: "ceased", op, end }));
      return;
    case "cycle":
      cycles.cycle(effect.run, effect.request, (end) => tell({ kind: "cycled", op, end }));
      return;
    case "end-cycles":
      cycles.endCycles(effect.run, done);
      return;
    case "note-alone":
    case "forget-alone": {
      const end = (isDone: boolean): void => done(isDone ? { kind: "done" } : { kind: "unknown", cause: "its file" });
      if (alone === undefined) end(false);
      else if (effect.kind === "note-alone") alone.note(effect.note, end);
      else alone.forget(effect.note, end);
      return;
    }
    case "attach":
      source.attach(effect.run, effect.request, done);
      return;
    case "begin":
      source.begin(effect.run, effect.limitMs, done);
      return;
    case "go-on-alone":
      source.goOnAlone(effect.run, done);
      return;
    case "resync":
      source.resync(effect.run, effect.doors, done);
      return;
    case "reach":
      source.reach(effect.run, effect.doors, done);
      return;
    case "confirm":
      source.confirm(effect.run, done);
      return;
    case "detach":
      source.detach(effect.run, done);
      return;
  }
}

/** What the agent orders of recovery points. */
export function performPoint(
  { target, points, prover }: Replicas,
  effect: PointEffect,
  tell: (news: PointNews) => void,
  ended: (op: number, end: HypervisorEnd) => void,
): void {
  const { op } = effect;
  switch (effect.kind) {
    case "take-point":
      points.takePoint(effect.run, effect.request, (end) => tell({ kind: "point-taken", op, end }));
      return;
    case "list-points":
      target.listPoints(effect.of, (found) => tell({ kind: "points-listed", op, points: found }));
      return;
    case "drop-point":
      target.dropPoint(effect.of, effect.point, (end) => ended(op, end));
      return;
    case "export-point":
      target.exportPoint(effect.of, effect.point, effect.folder, (end) => tell({ kind: "point-exported", op, end }));
      return;
    case "prove-point":
      prover.prove(effect.request, (end) => tell({ kind: "point-proven", op, end }));
      return;
  }
}
