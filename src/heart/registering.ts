import { assert } from "../base/assert.ts";
import { proofTransaction } from "../core/fencing.ts";
import { put, remove, transaction, unchanged } from "../core/transactions.ts";
import type { Incarnation, InstantMs, WallMs } from "../model/ids.ts";
import { later } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { FenceRecord, HostRegistration } from "../model/records.ts";
import type { CommitEnd, Compare, Transaction, Write } from "../model/transaction.ts";
import { startBeating } from "./beating.ts";
import { askGuards, bothHere, bothReady, knownIncarnation, leftovers } from "./guards.ts";
import { heartLimits } from "./limits.ts";
import { look, rest } from "./moves.ts";
import type { Phase } from "./state.ts";
import { type Candidate, type Evidence, type Found, type HeartState, type HeartStep, nonceOf } from "./state.ts";

type Registering = Extract<Phase, { kind: "registering" }>;

/**
 * Begins a registration: file, guards, transaction, in this order. The file first, so that a heart that dies anywhere
 * after the commit finds its own registration again; the guards before the commit, so that nothing of an earlier
 * incarnation can run once the new one exists (S1, S6).
 */
export function register(state: HeartState, found: Found, evidence: Evidence, at: InstantMs): HeartStep {
  // Without both guards' word a number could be chosen that one of them has seen already.
  if (!bothHere(state.guards)) return rest(state, "heart-guard-away", later(at, heartLimits.retryMs));
  const past = evidence.kind === "first" ? (evidence.takenBack?.value.incarnation ?? 0) : 0;
  const candidate = candidateFor(state, found, past);
  const ticket = state.lastTicket + 1;
  const phase: Registering = {
    kind: "registering",
    stage: "file",
    candidate,
    evidence,
    ticket,
    dueAt: later(at, heartLimits.answerTimeoutMs),
  };
  const own = { incarnation: candidate.incarnation, nonce: candidate.nonce };
  return {
    state: { ...state, candidate, attempt: state.attempt + 1, lastTicket: ticket, phase },
    effects: [{ kind: "write-incarnation", ticket, own }],
  };
}

/**
 * The same numbers again while `/hosts/H/` stands as it stood: a commit that was thought lost may still arrive. `past`: the last
 * life of a host that was removed and taken back (HM7).
 */
function candidateFor(state: HeartState, found: Found, past: number): Candidate {
  const { candidate, guards } = state;
  if (candidate !== null && candidate.found?.revision === found?.revision && candidate.incarnation > past)
    return candidate;
  const incarnation = (Math.max(found?.value.incarnation ?? past, knownIncarnation(guards)) + 1) as Incarnation;
  return { incarnation, nonce: nonceOf(state.seed, state.attempt), found };
}

export function hearWritten(state: HeartState, phase: Registering, written: boolean, at: InstantMs): HeartStep {
  if (!written) return rest(state, "heart-incarnation-file", later(at, heartLimits.retryMs));
  const { incarnation, nonce } = phase.candidate;
  return { state: { ...state, own: { incarnation, nonce }, phase: { ...phase, stage: "guards" } }, effects: [] };
}

/** Moves on where the guards have answered. */
export function goOnRegistering(state: HeartState, phase: Registering, at: InstantMs, wall: WallMs): HeartStep {
  if (phase.stage !== "guards") return at >= phase.dueAt ? look(state, "host", null, at) : { state, effects: [] };
  const asked = askGuards(state, phase.candidate.incarnation, at);
  if (!bothReady(asked.state.guards, phase.candidate.incarnation)) return asked;
  const ticket = state.lastTicket + 1;
  const next: Registering = { ...phase, stage: "commit", ticket, dueAt: later(at, heartLimits.answerTimeoutMs) };
  return {
    state: { ...asked.state, lastTicket: ticket, phase: next },
    effects: [
      ...asked.effects,
      {
        kind: "commit",
        ticket,
        transaction: registration(asked.state, phase, at, wall),
        timeoutMs: heartLimits.registrationTimeoutMs,
      },
    ],
  };
}

function record(state: HeartState, candidate: Candidate, wall: WallMs): HostRegistration {
  const { incarnation, nonce } = candidate;
  return { schema: 1, incarnation, nonce, machine: state.config.machine, registeredAt: wall };
}

/** Ends the earlier incarnation and begins the new one at one revision, each write guarded by what was read. */
function registration(state: HeartState, phase: Registering, at: InstantMs, wall: WallMs): Transaction {
  const { candidate, evidence } = phase;
  const { host } = state.config;
  const key = keys.host(host);
  const compares: Compare[] = [unchanged(key, candidate.found ?? undefined)];
  const write = put(key, record(state, candidate, wall));
  // Both guards found no process of another incarnation on this machine: the host's last word about it (S9).
  const empty = leftovers(state.guards, candidate.incarnation) === 0;
  switch (evidence.kind) {
    case "first":
      assert(candidate.found === null, "Cannot register as the first: the host has a registration");
      // HM7: a removal meanwhile turns it away; that it was taken back counts once.
      return evidence.takenBack === null
        ? transaction([...compares, unchanged(keys.removedHost(host), undefined)], [write])
        : transaction(
            [...compares, unchanged(keys.removedHost(host), evidence.takenBack)],
            [write, remove(keys.removedHost(host))],
          );
    case "fenced":
      if (!empty || evidence.record.value.proofs.includes("last-word")) return transaction(compares, [write]);
      return withWrite(
        proofTransaction(host, evidence.incarnation, evidence.record, { proof: "last-word" }, compares),
        write,
      );
    case "silent":
      return endBySilence(state, evidence, compares, { write, empty, waitedMs: at - evidence.silence.since, wall });
  }
}

function withWrite(base: Transaction, write: Write): Transaction {
  return transaction(base.compares, [...base.writes, write]);
}

function endBySilence(
  state: HeartState,
  evidence: Extract<Evidence, { kind: "silent" }>,
  compares: readonly Compare[],
  made: { readonly write: Write; readonly empty: boolean; readonly waitedMs: number; readonly wall: WallMs },
): Transaction {
  const { host } = state.config;
  const { incarnation, revision, waitMs, proves } = evidence.silence;
  assert(
    made.waitedMs >= waitMs,
    () => `Cannot end ${host}/${incarnation}: silent for ${made.waitedMs} ms, must be >= ${waitMs}`,
  );
  const fence: FenceRecord = {
    schema: 1,
    cause: "self",
    by: host,
    heartbeatRevision: revision,
    waitedMs: made.waitedMs,
    device: "not-needed",
    proofs: [...(proves ? (["silence"] as const) : []), ...(made.empty ? (["last-word"] as const) : [])],
    at: made.wall,
  };
  const heartbeat = keys.heartbeat(host, incarnation);
  return transaction(
    [
      ...compares,
      { kind: "absent", key: keys.fence(host, incarnation) },
      revision === null ? { kind: "absent", key: heartbeat } : { kind: "revision", key: heartbeat, revision },
    ],
    [made.write, put(keys.fence(host, incarnation), fence)],
  );
}

/**
 * Only a commit seen begins the beating; anything else is answered by reading what really stands there. A store that is full
 * answers reads and says no to each write at once: it is asked again in a while, not as fast as it answers (S22).
 */
export function hearRegistered(
  state: HeartState,
  phase: Registering,
  end: CommitEnd,
  at: InstantMs,
  wall: WallMs,
): HeartStep {
  if (end.kind !== "committed") {
    const askedAt = later(phase.dueAt, -heartLimits.answerTimeoutMs);
    const againAt = later(askedAt, heartLimits.retryMs);
    return end.kind === "unknown" && at < againAt
      ? rest(state, "heart-store-silent", againAt)
      : look(state, "host", null, at);
  }
  return startBeating(state, { value: record(state, phase.candidate, wall), revision: end.revision }, at);
}
