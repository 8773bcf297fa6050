import type { Revision } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { Touched } from "../../src/model/view.ts";
import { type Growing, growCluster, hostOf, owner, type Size, status, vmRecord } from "./cluster.ts";
import { ManagerAtWork, msSince } from "./manager-at-work.ts";

export const roundNames = ["add", "steady", "fence", "recover"] as const;
export type RoundName = (typeof roundNames)[number];

export type Sample = {
  readonly cpuMs: number;
  /** Owner and fence records that the round would write. */
  readonly placed: number;
  readonly fenced: number;
};

export type Measured = {
  readonly samples: readonly Sample[];
  /** All rounds until every VM had its host, where one round places only some of them. */
  readonly all: { readonly rounds: number; readonly cpuMs: number } | undefined;
};

const victim = 2;

/**
 * One decision round of the production manager, again and again from the same state. Before each, a record changes in the
 * view, so that nothing is kept from the sample before that a real round would have to work out.
 */
export function measureRound(name: RoundName, size: Size, samples: number): Measured {
  const growing = growCluster(size, name === "add" ? "wanted" : "running");
  const manager = new ManagerAtWork(growing);
  // A process that has just begun to hear its hosts fences nobody (S8).
  manager.beat(size.hosts, 12_000);
  if (name === "fence") manager.beat(size.hosts, 6_000, victim);
  if (name === "recover") {
    manager.beat(size.hosts, 6_000, victim);
    growing.put([[keys.fence(hostOf(victim), 1 as never), fenceRecord]]);
  }
  const runs: Sample[] = [];
  const warmUps = 3;
  for (let i = 0; i < samples + warmUps; i++) {
    const touched = disturb(growing, name, size, i);
    const sample = measure(manager, touched);
    if (i >= warmUps) runs.push(sample);
  }
  // In the largest clusters the sum of so many rounds tells nothing new and takes minutes.
  const isTold = (name === "add" || name === "recover") && size.vms <= 20_000;
  const all = isTold ? manager.finish(size.hosts) : undefined;
  return { samples: runs, all };
}

function disturb(growing: Growing, name: RoundName, size: Size, i: number): Touched {
  const n = 1 + (i % size.vms);
  return growing.put(name === "add" ? [vmRecord(n)] : [owner(n, size), status(n, size, i)]);
}

function measure(manager: ManagerAtWork, touched: Touched): Sample {
  const before = process.cpuUsage();
  const { effects } = manager.step({ kind: "changed", touched });
  const cpuMs = msSince(before);
  const written = effects.flatMap((effect) => (effect.kind === "commit" ? effect.transaction.writes : []));
  const count = (root: string) => written.filter((write) => write.key.startsWith(root)).length;
  return { cpuMs, placed: count("/owner/"), fenced: count("/fence/") };
}

const fenceRecord = {
  schema: 1,
  cause: "silence",
  by: hostOf(1),
  heartbeatRevision: 1 as Revision,
  waitedMs: 5_600,
  device: "not-needed",
  proofs: ["silence"],
  at: 0,
};
