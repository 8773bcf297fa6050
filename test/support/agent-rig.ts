import { startAgent, stepAgent } from "../../src/agent/agent.ts";
import { type AgentEffect, type AgentEvent, type AgentState, runKey } from "../../src/agent/state.ts";
import type { Epoch, InstantMs, Nonce, PoolId, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { HypervisorEnd, RunningVm, VmRun } from "../../src/ports/hypervisor.ts";
import { held, host, incarnation, pool, Records, vm, vmId } from "./records.ts";

type Told<E> = E extends AgentEvent ? Omit<E, "now" | "wall" | "view"> : never;
type Kind = AgentEffect["kind"];

/** The agent of h1, whose heart beats as incarnation 1. Effects stay in `effects` until a test takes them. */
export class Agent {
  readonly records: Records;
  effects: AgentEffect[] = [];
  state: AgentState;
  #now = 10_000;

  constructor(records: Records) {
    this.records = records;
    this.state = startAgent(host("h1"), "tcg", this.#now as InstantMs);
    this.tell({ kind: "synced" });
    this.beats(1);
  }

  tell(event: Told<AgentEvent>): void {
    const moment = { now: this.#now as InstantMs, wall: 0 as WallMs, view: this.records.view };
    const step = stepAgent(this.state, { ...event, ...moment } as AgentEvent);
    this.state = step.state;
    this.effects.push(...step.effects);
  }

  beats(n: number): void {
    const nonce = `nonce-h1-${n}` as Nonce;
    const says = { phase: "beating", incarnation: incarnation(n), nonce, frozen: false, trouble: null } as const;
    this.tell({ kind: "heart", says });
  }

  changes(): void {
    const touched = { heartbeats: [], tick: false, usages: false, others: true, vms: new Set<never>(), events: [] };
    this.tell({ kind: "changed", touched });
  }

  wait(ms: number): void {
    this.#now += ms;
    this.tell({ kind: "woke" });
  }

  lists(...runs: readonly RunningVm[]): void {
    this.take("list");
    this.tell({ kind: "listed", runs, attached: [] });
  }

  /** The oldest effect of this kind that no test has taken yet. */
  take<K extends Kind>(kind: K): (AgentEffect & { kind: K }) | undefined {
    const index = this.effects.findIndex((effect) => effect.kind === kind);
    return index < 0 ? undefined : (this.effects.splice(index, 1)[0] as AgentEffect & { kind: K });
  }

  ends(
    kind: Exclude<Extract<AgentEffect, { op: number }>["kind"], "prepare" | "check">,
    end: HypervisorEnd = { kind: "done" },
  ): void {
    const effect = this.take(kind);
    if (effect === undefined) throw new Error(`h1's agent did not ${kind}`);
    this.tell({ kind: "op-ended", op: effect.op, end });
  }

  /** Every transaction that no test has taken was committed, and the view shows it. */
  answerAll(): void {
    const { revision } = this.records.view;
    for (let commit = this.take("commit"); commit !== undefined; commit = this.take("commit"))
      this.tell({ kind: "commit-ended", id: commit.id, end: { kind: "committed", revision } });
  }

  /** Every transaction is committed and shows in the view, until none is left. */
  settles(): void {
    for (let rounds = 0; rounds < 50; rounds++) {
      const commit = this.take("commit");
      if (commit === undefined) return;
      for (const write of commit.transaction.writes)
        if (write.kind === "put") this.records.put(write.key, JSON.parse(write.text));
      this.changes();
      this.tell({
        kind: "commit-ended",
        id: commit.id,
        end: { kind: "committed", revision: this.records.view.revision },
      });
    }
    throw new Error("h1's agent writes and writes");
  }

  phaseOf(run: VmRun): string | undefined {
    return this.state.locals.get(runKey(run))?.phase;
  }

  /** What it wants written into a record. */
  written(key: string): unknown {
    for (const effect of this.effects) {
      if (effect.kind !== "commit") continue;
      for (const write of effect.transaction.writes)
        if (write.key === key && write.kind === "put") return JSON.parse(write.text);
    }
    return undefined;
  }
}

export const web = (e: number): VmRun => ({ vm: vmId("web"), incarnation: incarnation(1), epoch: e as Epoch });
export const seen = (run: VmRun, state: RunningVm["state"] = "running"): RunningVm => ({ run, state, adopted: true });

/** h1 is up; `web` is wanted and, where `e` is given, owned by h1 with that epoch. */
export function hostWith(e: number | null): Records {
  const records = new Records().host("h1");
  records.put(keys.pool("shared" as PoolId), pool("shared", "shared-dir")).put(keys.vm(vmId("web")), vm("web"));
  return e === null ? records : records.put(keys.owner(vmId("web")), held("h1", 1, e));
}
