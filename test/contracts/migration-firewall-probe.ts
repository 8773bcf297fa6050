/**
 * Runs in a network namespace of its own (migration-real.test.ts): a firewall lets the knock through and drops what QEMU's
 * own connection sends, as one does that was opened for one port only. Prints what it found as one line of JSON.
 */
import { execFileSync } from "node:child_process";
import type { RunningVm } from "../../src/ports/hypervisor.ts";
import { done, here, movesOf, one } from "./migration-calls.ts";
import { openRealPair } from "./real-pair.ts";

execFileSync("ip", ["link", "set", "lo", "up"]);
const rules = `table inet probe {
  chain in { type filter hook input priority 0; tcp dport 49152-49215 drop; }
}
`;
execFileSync("nft", ["-f", "-"], { input: rules });
const rig = await openRealPair();
try {
  const { start, waiting, copy, list, cancel } = movesOf(() => rig);
  for (const host of [rig.source, rig.target]) host.openIncarnation(one);
  const started = await start();
  if (started.kind !== done.kind) throw new Error(JSON.stringify(started));
  const end = await copy(await waiting());
  const runs: readonly RunningVm[] = await list("source");
  const states = runs.map(({ run, state, move }) => `${run.epoch} ${state} ${move ?? "stays"}`);
  const cancelled = await cancel(here);
  const again = await copy([rig.deadDoor]);
  process.stdout.write(`${JSON.stringify({ end, states, cancelled, again, events: rig.source.events })}\n`);
} finally {
  await rig.close();
}
