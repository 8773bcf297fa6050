import { assert } from "../base/assert.ts";

/** The heart's own bounds beside core/limits.ts; D, P and M are the host's profile (config.ts). */
export const heartLimits = {
  /** A stamp that a guard has not answered by then is given up; the next one has a later deadline anyway. */
  stampTimeoutMs: 1_500,
  registrationTimeoutMs: 3_000,
  /** Bounds waiting for any answer that a port owes: a lost one must not end the heart's work. */
  answerTimeoutMs: 5_000,
  /** Between two questions of a heart that does not hear the store: short beside an election, which ends them too. */
  askAgainMs: 250,
  /** Between two looks at the store, and two requests to a guard that refused. */
  retryMs: 1_000,
  /** A host whose power was ordered off stays away this long: coming back at once it would only be in the way (S9, S13). */
  orderedRestMs: 60_000,
  /** A host that left in order, and whose machine is still up after this, joins again. */
  leftRestMs: 600_000,
  /**
   * Where no deadline holds, a host that boots watches its own earlier incarnation for this long: a second machine of its
   * name would show itself (S1, S23).
   */
  earlierLifeMs: 6_000,
  /** The agent hears each change at once, and the newest word again this often. */
  tellMs: 5_000,
  /** The heart looks at the time at least this often. */
  wakeMs: 1_000,
} as const;

assert(
  heartLimits.registrationTimeoutMs < heartLimits.answerTimeoutMs,
  "Cannot bound a registration: its own timeout must come first",
);
