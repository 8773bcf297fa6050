import { assert } from "../../base/assert.ts";

/** Every wait of the store client, in milliseconds unless the name says otherwise. */
export const limits = {
  /** One timer for all members that are distrusted or not connected; it stands still while there are none. */
  tickMs: 250,
  /** A watch that was silent for so long asks for progress, and is dead where nothing has come after the same time again. */
  watchAskMs: 750,
  /** Bounds a handshake with a frozen member, whose kernel still accepts connections. */
  handshakeMs: 2000,
  /** A channel that is not connected after this many ticks is made anew: the kernel's own retries get ever rarer. */
  connectTicks: 8,
  probeMs: 1000,
  /** Pause after every connected member has said "no leader" once. */
  roundPauseMs: 100,
  snapshotMs: 6000,
  snapshotAttemptMs: 2000,
  reconnectFirstMs: 100,
  reconnectMaxMs: 1000,
  rewatchFirstMs: 50,
  rewatchMaxMs: 1000,
  /** While nobody is connected a watch looks again after this, should it have missed that one is. */
  rewatchIdleMs: 60_000,
  keepaliveMs: 10_000,
  keepaliveTimeoutMs: 3000,
  maintenanceMs: 5000,
  /** A defragmentation blocks its member until it is done. */
  defragmentMs: 60_000,
} as const;

assert(
  2 * limits.watchAskMs <= 1500,
  "Cannot trust a watch for longer than 1.5 s of silence: a manager would see healthy hosts as silent",
);
assert(limits.keepaliveMs >= 5000, "Cannot ping more often than etcd permits (5 s): it closes the connection");
