/**
 * Runs in a network namespace of its own (migration-real.test.ts), behind a firewall that lets every knock through. `breaks`: it
 * drops what QEMU's own connection sends, and not the one that tries the port before. `first-link`: it drops what comes to
 * QEMU's ports at the first address, as one does that was opened for one port only. `moves-alone`: it lets through what a move
 * needs, and drops all else. Prints what it found as one line of JSON.
 */
import { execFileSync } from "node:child_process";
import { openLinks } from "../../src/adapters/linux/links.ts";
import type { RunningVm } from "../../src/ports/hypervisor.ts";
import { done, here, movesOf, one } from "./migration-calls.ts";
import { openRealPair } from "./real-pair.ts";

execFileSync("ip", ["link", "set", "lo", "up"]);
/** The last ones are those of doors. */
const dropped = {
  breaks: "tcp dport 49152-49199 tcp flags & (syn | ack) == syn limit rate over 1/hour burst 1 packets drop;",
  "first-link": "ip daddr 127.0.0.1 tcp dport 49152-49199 drop;",
  "moves-alone": "ct state new tcp dport != 49152-49215 drop;",
};
type Course = keyof typeof dropped;
const isCourse = (text: string | undefined): text is Course => text !== undefined && text in dropped;
const [, , wanted] = process.argv;
const course: Course = isCourse(wanted) ? wanted : "breaks";
const rules = `table inet probe {
  chain in { type filter hook input priority 0; ${dropped[course]} }
}
`;
execFileSync("nft", ["-f", "-"], { input: rules });
const rig = await openRealPair();
try {
  const { start, prepare, copy, list, cancel, progress } = movesOf(() => rig);
  for (const host of [rig.source, rig.target]) host.openIncarnation(one);
  const started = await start();
  if (started.kind !== done.kind) throw new Error(JSON.stringify(started));
  const waiting = await prepare({ addresses: course !== "first-link" ? ["127.0.0.1"] : ["127.0.0.1", "127.0.0.2"] });
  if (waiting.kind !== "waiting") throw new Error(JSON.stringify(waiting));
  const seen = await answering(["127.0.0.1"]);
  const end = await copy(waiting.doors);
  const runs: readonly RunningVm[] = await list("source");
  const states = runs.map(({ run, state, move }) => `${run.epoch} ${state} ${move ?? "stays"}`);
  const cancelled = await cancel(here);
  const again = await copy([rig.deadDoor]);
  process.stdout.write(
    `${JSON.stringify({ seen, end, states, link: progress().at(-1)?.link, cancelled, again, events: rig.source.events })}\n`,
  );
} finally {
  await rig.close();
}

function answering(addresses: readonly string[]): Promise<readonly string[]> {
  return new Promise((told) => openLinks().answering(addresses, told));
}
