import type { Decision } from "../core/decision.ts";
import type { EventDraft } from "../model/records.ts";
import type { Transaction } from "../model/transaction.ts";
import type { ManagerEffect, ManagerState, ManagerStep, Pending } from "./state.ts";

/** A step that is being put together: the state that it came to so far, and what is to be done. */
export class Building {
  state: ManagerState;
  readonly effects: ManagerEffect[] = [];
  // Copied once in a step, however many transactions it has.
  #pending: Map<number, Pending> | undefined;
  #busy: Set<string> | undefined;

  constructor(state: ManagerState) {
    this.state = state;
  }

  commit(
    subject: string,
    kind: Pending["kind"],
    write: Transaction,
    events: readonly EventDraft[],
    { once, places }: Pick<Decision, "once" | "places"> = {},
  ): void {
    const id = this.state.nextId;
    const entry: Pending = { subject, kind, until: { kind: "sent" }, ...(places === undefined ? {} : { places }) };
    this.#pending ??= new Map(this.state.pending);
    this.#pending.set(id, entry);
    this.#busy?.add(busySubject(entry));
    this.state = { ...this.state, nextId: id + 1, pending: this.#pending };
    this.effects.push({ kind: "commit", id, transaction: write, events, once: once ?? false });
  }

  isBusy(subject: string): boolean {
    this.#busy ??= busySubjects(this.state);
    return this.#busy.has(subject);
  }

  /** Whether a device is at work on the host. */
  setDevices(devices: ManagerState["devices"]): void {
    this.state = { ...this.state, devices };
    this.#busy = undefined;
  }

  step(): ManagerStep {
    return { state: this.state, effects: this.effects };
  }
}

/** What waits for a transaction, or for a device. */
export function busySubjects(state: ManagerState): Set<string> {
  const busy = new Set<string>();
  for (const entry of state.pending.values()) busy.add(busySubject(entry));
  for (const [key, run] of state.devices) if (run.running) busy.add(`host ${key.slice(0, key.lastIndexOf("/"))}`);
  return busy;
}

function busySubject({ kind, subject }: Pending): string {
  return kind === "notice" ? noticeSubject(subject) : subject;
}

/** A notice never keeps the subject's own decisions waiting. */
export function noticeSubject(subject: string): string {
  return `notice ${subject}`;
}
