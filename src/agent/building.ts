import type { InstantMs } from "../model/ids.ts";
import type { EventDraft, HeldOwner } from "../model/records.ts";
import type { Transaction } from "../model/transaction.ts";
import type { ClusterView } from "../model/view.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { AgentEffect, AgentEvent, AgentOp, AgentPending, AgentState } from "./state.ts";

/** What a step gathers while it decides. */
export class Building {
  state: AgentState;
  readonly effects: AgentEffect[] = [];
  readonly happened: AgentEvent;
  /** When something is due although nothing changes. */
  readonly moments: InstantMs[] = [];

  constructor(state: AgentState, happened: AgentEvent) {
    this.state = state;
    this.happened = happened;
  }

  busy(subject: string): boolean {
    for (const entry of this.state.pending.values()) if (entry.subject === subject) return true;
    return false;
  }

  /** Sends a transaction; `subject` waits until the view shows its outcome. */
  commit(subject: string, transaction: Transaction, events: readonly EventDraft[]): void {
    const id = this.state.nextId;
    const pending = new Map(this.state.pending).set(id, { subject, until: { kind: "sent" } } as AgentPending);
    this.state = { ...this.state, nextId: id + 1, pending };
    this.effects.push({ kind: "commit", id, transaction, events });
  }

  wakeAt(at: InstantMs): void {
    this.moments.push(at);
  }

  /** Begins a hypervisor operation and returns its number. */
  op(op: AgentOp): number {
    const id = this.state.nextId;
    this.state = { ...this.state, nextId: id + 1, ops: new Map(this.state.ops).set(id, op) };
    return id;
  }
}

/** The owner record names exactly this run. */
export function isNamed(view: ClusterView, self: HeldOwner["host"], run: VmRun): boolean {
  const owner = view.owners.get(run.vm)?.value;
  if (owner === undefined || owner.kind === "released" || owner.host !== self) return false;
  return owner.incarnation === run.incarnation && owner.epoch === run.epoch;
}
