import { step } from "../../src/heart/heart.ts";
import { type HeartEffect, type HeartEvent, type HeartState, start } from "../../src/heart/state.ts";
import type { HostId, Incarnation, InstantMs, Nonce, Revision, StoreKey, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { FenceRecord, Heartbeat, HostRegistration } from "../../src/model/records.ts";
import type { CommitEnd, StoredValue, Transaction } from "../../src/model/transaction.ts";
import { type GuardName, type GuardSays, guardNames } from "../../src/ports/guard.ts";
import type { HeartSays } from "../../src/ports/heart.ts";
import type { OwnIncarnation } from "../../src/ports/heart-host.ts";

export const host = "h1" as HostId;
export const n = (number: number): Incarnation => number as Incarnation;
export const own = (number: number, nonce: string): OwnIncarnation => ({
  incarnation: n(number),
  nonce: nonce as Nonce,
});

type Kind = HeartEffect["kind"];
type Of<K extends Kind> = Extract<HeartEffect, { kind: K }>;
type Told = HeartEvent extends infer E ? (E extends HeartEvent ? Omit<E, "at" | "wall"> : never) : never;

export function stored(key: StoreKey, record: unknown, revision: number): StoredValue {
  return { key, text: JSON.stringify(record), revision: revision as Revision };
}

export function registrationOf(number: number, nonce: string, machine = "m1"): HostRegistration {
  return { schema: 1, ...own(number, nonce), machine, registeredAt: 0 as WallMs };
}

export function heartbeatOf(deadlineMs = 5_000, marginMs = 600): Heartbeat {
  return { schema: 1, seq: 1, deadlineMs, marginMs, agentAgeMs: null, frozen: false, poolAgeMs: null };
}

export function fenceOf(proofs: FenceRecord["proofs"] = ["silence"]): FenceRecord {
  const by = "h2" as HostId;
  const at = 0 as WallMs;
  return {
    schema: 1,
    cause: "silence",
    by,
    heartbeatRevision: null,
    waitedMs: 5_600,
    device: "not-needed",
    proofs,
    at,
  };
}

/** The step machine alone, with its ends given by hand: what it asks for is kept until a test answers it. */
export class HeartRig {
  state: HeartState;
  now = 10_000;
  /** All effects since the last `take`. */
  effects: HeartEffect[] = [];

  constructor(before: OwnIncarnation | null = null) {
    const config = { host, machine: "m1", heartbeatMs: 500, deadlineMs: 5_000, marginMs: 600 };
    this.state = start(config, before, "seed", this.now as InstantMs);
    this.tick(0);
  }

  send(event: Told): void {
    const at = this.now as InstantMs;
    const wall = (1_700_000_000_000 + this.now) as WallMs;
    const result = step(this.state, { ...event, at, wall });
    this.state = result.state;
    this.effects.push(...result.effects);
  }

  tick(afterMs: number): void {
    this.now += afterMs;
    this.send({ kind: "tick" });
  }

  guard(name: GuardName, says: GuardSays): void {
    this.send({ kind: "guard", name, says });
  }

  hello(name: GuardName, more: Partial<Extract<GuardSays, { kind: "hello" }>> = {}): void {
    const incarnation = more.incarnation ?? null;
    const base = { kind: "hello", deadlineMs: 5_000, marginMs: 600, frozen: true, watchdog: false } as const;
    this.guard(name, { ...base, ...more, incarnation });
  }

  ready(name: GuardName, number: number, leftovers = 0): void {
    this.guard(name, { kind: "incarnation", incarnation: n(number), ok: true, cause: "", leftovers });
  }

  /** The effects of one kind since the last look at them; removes them. */
  take<K extends Kind>(kind: K): Of<K>[] {
    const found = this.effects.filter((effect): effect is Of<K> => effect.kind === kind);
    this.effects = this.effects.filter((effect) => effect.kind !== kind);
    return found;
  }

  one<K extends Kind>(kind: K): Of<K> {
    const found = this.take(kind);
    const [first] = found;
    if (first === undefined || found.length > 1) throw new Error(`Expected one ${kind}, got ${JSON.stringify(found)}`);
    return first;
  }

  /** `a incarnation 2`, `b stamp 7`: the guard commands since the last look. */
  commands(): string[] {
    return this.take("guard").map(({ name, command }) => {
      if (command.kind === "freeze") return `${name} freeze`;
      return `${name} ${command.kind} ${command.kind === "incarnation" ? command.incarnation : command.stamp}`;
    });
  }

  /** Answers the one snapshot that is open; asserts which key it asks for. */
  answer(key: StoreKey, values: readonly StoredValue[]): void {
    const { prefix, ticket } = this.one("snapshot");
    if (prefix !== key) throw new Error(`Expected a snapshot of ${key}, got ${prefix}`);
    this.send({ kind: "snapshot", ticket, end: { kind: "done", values, revision: 99 as Revision } });
  }

  /** After a heartbeat without an answer the heart asks whether the store is there: it is. */
  heard(): void {
    this.answer(keys.host(host), []);
  }

  written(): OwnIncarnation {
    const { ticket, own: registration } = this.one("write-incarnation");
    this.send({ kind: "incarnation-written", ticket, written: true });
    return registration;
  }

  end(ticket: number, end: CommitEnd): void {
    this.send({ kind: "commit", ticket, end });
  }

  committed(ticket: number, revision = 10): void {
    this.end(ticket, { kind: "committed", revision: revision as Revision });
  }

  unknown(ticket: number): void {
    this.end(ticket, { kind: "unknown", cause: "timeout" });
  }

  refused(ticket: number, found: readonly StoredValue[]): void {
    this.end(ticket, { kind: "refused", found, revision: 50 as Revision });
  }

  get says(): HeartSays {
    const says = this.state.told?.says;
    if (says === undefined) throw new Error("Nothing was told yet");
    return says;
  }

  /** From the write of the file to the commit's request; both guards answer. */
  registers(number: number, leftovers = 0): Of<"commit"> {
    this.written();
    for (const name of guardNames) this.ready(name, number, leftovers);
    return this.one("commit");
  }

  /** Both guards there, an empty store, incarnation 1 registered at revision 10: both were asked for stamp 1. */
  static beating(): HeartRig {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    rig.answer(keys.host(host), []);
    rig.committed(rig.registers(1).ticket);
    for (const name of guardNames) rig.guard(name, { kind: "frozen", latenessMs: 0, verified: true, inFlight: 0 });
    return rig;
  }

  /** Both guards stamp what they were asked for: the heartbeat's commit. */
  stampBoth(): { ticket: number; stamp: number; transaction: Transaction; heartbeat: Heartbeat } {
    const asked = this.take("guard").filter(({ command }) => command.kind === "stamp");
    const stamps = new Set(asked.map(({ command }) => (command.kind === "stamp" ? command.stamp : 0)));
    const [stamp] = stamps;
    if (stamp === undefined || asked.length !== 2 || stamps.size !== 1) throw new Error("Expected one stamp of both");
    for (const name of guardNames) this.guard(name, { kind: "stamped", stamp });
    const { ticket, transaction } = this.one("commit");
    const text = transaction.writes[0]?.kind === "put" ? transaction.writes[0].text : "";
    return { ticket, stamp, transaction, heartbeat: JSON.parse(text) };
  }
}
