import type { ReplicaEffect, ReplicaNews } from "../agent/replica-state.ts";
import type { HypervisorEnd } from "../ports/hypervisor.ts";
import type { ReplicaSource, ReplicaTarget } from "../ports/replication.ts";

export type Replicas = { readonly source: ReplicaSource; readonly target: ReplicaTarget };

/** What the agent orders of replication; `ended` for ends that say nothing but how it went. */
export function performReplica(
  { source, target }: Replicas,
  effect: ReplicaEffect,
  tell: (news: ReplicaNews) => void,
  ended: (op: number, end: HypervisorEnd) => void,
): void {
  const { op } = effect;
  const done = (end: HypervisorEnd): void => ended(op, end);
  switch (effect.kind) {
    case "receive":
      target.receive(effect.request, (end) => tell({ kind: "received", op, end }));
      return;
    case "cease":
      target.cease(effect.vm, (end) => tell({ kind: "ceased", op, end }));
      return;
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
