import { assert } from "../base/assert.ts";
import type { Profile } from "../model/config.ts";

/**
 * Every bound that safety rests on, with the relations between them asserted here, in one place.
 * D and M travel in heartbeats (S7); these are the values of this process.
 */
export const limits = {
  /** Guard lateness (0.1 s) + freeze and its verification (0.3 s) + clock rate + reserve (S7). */
  marginMinMs: 600,
  guardLatenessMaxMs: 100,
  freezeVerifiedMaxMs: 300,
  /** 500 ppm on both sides over the longest deadline of any profile. */
  clockSlewPpmMax: 500,
  /** In such steps a host's clock is compared with the manager's: a tick takes its time. */
  clockStepMs: 500,
  /** Clocks that are farther apart make times in logs and losses in seconds worth nothing. */
  clockApartMs: 2_000,
  /** A replica that takes writes and says nothing for as long has its relay try another link: well within a guest's bound (S16). */
  replicaSilentMs: 1_200,
  /** So long after a VM was put under protection its first copy counts as about to begin, where nothing is known to be in the way. */
  copyBeginsWithinMs: 15_000,
  /** A manager that saw no commit for this long may itself be the one cut off: it fences nobody for a grace (S8). */
  ownGapMaxMs: 1_000,
  graceMs: 3_000,
  graceAfterLongGapMs: 10_000,
  /** After so long a gap of its own, what a manager hears in its first moment back says nothing of who is alive now (PL1). */
  ownGapLongMs: 5_000,
  waitedWordsMs: 500,
  /** A host that this process never heard is not fenced by silence before this age: the whole cluster may be starting (S8). */
  unheardMs: 180_000,
  /** Standbys leave a due fence to the leader for this long (S12). */
  standbyFenceDelayMs: 700,
  /** The leader counts as gone after this long without a tick of its term (S12). */
  leaderSilenceMs: 2_000,
  /**
   * A leader leaves the office for what only others can do about its host, but not before this. Who should not hold it
   * claims it only where nobody else has taken it for so long (S12, S13).
   */
  officeHeldMs: 15_000,
  officeLeftMs: 10_000,
  tickMs: 500,
  /** Between two ticks of the leader: three lie within the silence that ends its office. */
  leaderTickMs: 650,
  /** A leader that has not seen what became of so many ticks sends no further one: it is late itself, others may lead. */
  ticksInFlightMax: 2,
  /** How long one attempt of a transaction is waited for. */
  commitTimeoutMs: 1_500,
  /** What no store takes is decided again after this long: something may have become smaller meanwhile. */
  tooLargeRetryMs: 60_000,
  heartbeatsInFlightMax: 3,
  /**
   * From so many transactions of one manager under way on, VMs wait for their turn: they are written one after another, and
   * a fence that is due must have its own within its moment (S8), whatever ten thousand VMs are waiting for.
   */
  decisionsInFlightMax: 64,
  /** Changes are decided upon at once, but no sooner than a millisecond for each so many VMs after the last time. */
  vmsPerGapMs: 500,
  /** The agent of a host hangs: its own heart ends it, and its supervisor starts it anew (S13). */
  agentHungMs: 3_000,
  /** An agent says that it lives where it is at work anyway, but no oftener. */
  agentAliveMs: 900,
  /** It wakes up and decides afresh at least this often, though nothing may have changed. */
  agentWakeMs: 1_000,
  /** The agent of a host is silent: no placements on it (S13). */
  agentSilentMs: 60_000,
  /** An agent looks afresh at what runs on its host at least this often. */
  agentListMs: 15_000,
  /** Frozen VMs under a host that beats: that many deadlines, then its guards will not thaw them any more (S13). */
  frozenDeadlinesMax: 2,
  /** A host counts as alive for a placement while its last heartbeat is younger than this. */
  aliveMs: 2_000,
  /** One call of a device, whatever it does (ports/fencing.ts). */
  deviceCallMaxMs: 30_000,
  deviceRetryFirstMs: 1_000,
  deviceRetryMaxMs: 15_000,
  /** A live move whose target says nothing for so long is given up; as long as QEMU waits for a link. */
  moveSilentMs: 10_000,
  /** For what is missing of a guest that was handed over: by then it is there, or it goes on at its source. */
  moveCompleteMs: 10_000,
  /** Nothing is at its source any more, and nothing follows: for QEMU to take in what has come, on a host that is busy. */
  moveCompleteLateMs: 1_000,
  /** A step of a move that had no answer is tried again after this. */
  moveStepRetryMs: 500,
  /** A guest that cannot be let go on after its move failed, as where its image is locked, is tried again after this. */
  moveStuckRetryMs: 3_000,
  /** QEMU gives no answer when such a guest is to go on: where it is to end, it is ended after this, or its grace; then it is told. */
  moveUnansweredMs: 5_000,
  moveUnansweredToldMs: 30_000,
  /** QEMU of a run answers no listing for so long: that is told, as its guest may stand still. */
  qemuSilentMs: 10_000,
  /** The agent in a guest that came in by a move is asked this often, and silent for so long before that is told. */
  guestAskMs: 1_000,
  guestSilentMs: 10_000,
  /** Then it is asked this often, for so long after it came. */
  guestAskLateMs: 10_000,
  guestWatchMs: 300_000,
  /** An image that could not be removed is tried again after this. */
  imageRetryMs: 10_000,
  /** A step of replication that was refused, or had no answer, is tried again after this. */
  replicaRetryMs: 2_000,
  /** A copy that is left behind anew each time is tried again twice as late each time, and at the latest after this (S17). */
  replicaRetryMaxMs: 60_000,
  /** A guest that is down waits so long for its copy to get the rest, and then starts where its disks are (S25). */
  lastCycleMs: 60_000,
  /** The same where a guest may be waiting for it (S16). */
  replicaPromptRetryMs: 200,
  /** As long as a copy is not in sync, its host looks so often whether what receives it still works. */
  replicaLookMs: 5_000,
  /** A host begins at most so many cycles at a time; the others take their turn (S25). */
  cyclesAtOnce: 4,
  /** Of the points that cycles leave so many stay, where nobody wants others. */
  cyclesKept: 3,
  /** A recovery point that could not be taken, or dropped, is tried again after this. */
  pointRetryMs: 15_000,
  /** The host of the points looks so often which there are. */
  pointLookMs: 10_000,
  /** A test failover that was not even begun, as where memory was short, is tried again after this. */
  proofRetryMs: 600_000,
  /** How far a copy is is written down at most so often. */
  replicaProgressMs: 5_000,
  /** After a failed move: the first wait, doubled with each further failure up to the last (HM2). */
  moveRetryFirstMs: 10_000,
  moveRetryMaxMs: 600_000,
  /** A VM of a higher start priority that has not come up by then keeps the others waiting no longer (HM6). */
  startTurnMs: 30_000,
  /** A VM that ran this long without trouble starts its count of restarts anew. */
  quietRunMs: 60_000,
  /** The balance of the hosts is looked at once in this time (PL5). */
  balanceRoundMs: 10_000,
  /** So many looks wait for figures of what has just come up: two would do, and what nobody can measure stops nothing. */
  balanceWaits: 6,
  /** So many restarts in a row come without a back-off; from the next one on the pause doubles. */
  promptRestarts: 3,
  restartFirstMs: 1_000,
  restartMaxMs: 30_000,
  /** Hosts / P: heartbeats a second that the store bears (S22). */
  heartbeatsPerSecondMax: 200,
} as const;

export const profiles = {
  default: { name: "default", heartbeatMs: 500, deadlineMs: 5_000, marginMs: 600 },
  fast: { name: "fast", heartbeatMs: 300, deadlineMs: 3_000, marginMs: 600 },
  slow: { name: "slow", heartbeatMs: 1_000, deadlineMs: 15_000, marginMs: 1_000 },
} as const satisfies Record<string, Profile>;

/**
 * S23, of the hosts of a cluster of two without a witness: a year. No guard freezes there because the other one is silent,
 * and nobody ever waited for D + M. Every rule that counts a deadline holds by that.
 */
export const withoutDeadline = {
  name: "two",
  heartbeatMs: 500,
  deadlineMs: 31_536_000_000,
  marginMs: 32_000_000,
} as const satisfies Profile;

/** S23: the silence of a host with this deadline proves nothing. */
export function isWithoutDeadline({ deadlineMs }: { readonly deadlineMs: number }): boolean {
  return deadlineMs >= withoutDeadline.deadlineMs;
}

/** Throws where a profile would break what fencing rests on; also run on each host's configuration. */
export function assertProfile(profile: Profile): void {
  const slewMs = Math.ceil((profile.deadlineMs * 2 * limits.clockSlewPpmMax) / 1_000_000);
  const needed = limits.guardLatenessMaxMs + limits.freezeVerifiedMaxMs + slewMs;
  assert(
    profile.marginMs >= limits.marginMinMs,
    () => `Cannot use profile ${profile.name}: marginMs ${profile.marginMs} must be >= ${limits.marginMinMs}`,
  );
  assert(
    profile.marginMs >= needed,
    () =>
      `Cannot use profile ${profile.name}: marginMs ${profile.marginMs} must cover lateness, freeze and slew (${needed})`,
  );
  assert(
    profile.deadlineMs >= 5 * profile.heartbeatMs,
    () => `Cannot use profile ${profile.name}: deadlineMs ${profile.deadlineMs} must bear four lost heartbeats`,
  );
  assert(
    profile.deadlineMs > limits.commitTimeoutMs + profile.heartbeatMs,
    () => `Cannot use profile ${profile.name}: a heartbeat that timed out must leave time for the next`,
  );
}

for (const profile of [...Object.values(profiles), withoutDeadline]) assertProfile(profile);
assert(limits.graceAfterLongGapMs > limits.graceMs, "Cannot have a shorter grace after a longer gap");
assert(3 * limits.leaderTickMs <= limits.leaderSilenceMs, "Cannot lose the office over one tick that was lost");
assert(2 * limits.agentWakeMs <= limits.agentHungMs, "Cannot end an agent as hung that says in time that it lives");
assert(
  limits.qemuSilentMs < limits.agentListMs && limits.moveUnansweredMs < limits.moveUnansweredToldMs,
  "Cannot tell of a QEMU that is silent as late as at the third listing, or end it later than that is told",
);
assert(
  limits.leaderSilenceMs + limits.graceMs < profiles.default.deadlineMs + profiles.default.marginMs,
  "Cannot lose the leader's host within one deadline: a new leader must be in office before the fence is due",
);
