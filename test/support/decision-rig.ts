import { type Contact, hear } from "../../src/core/contact.ts";
import type { Decided, ManagerKnowledge } from "../../src/core/decision.ts";
import { noBalance } from "../../src/core/placement/rebalance.ts";
import type { InstantMs, PoolId, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { Owner } from "../../src/model/records.ts";
import { heartbeatOf } from "../../src/model/view.ts";
import { held, host, pool, Records, vm, vmId } from "./records.ts";

// A small cluster, what its manager knows, and what a decision would write.

export const now = 100_000 as InstantMs;
export const none = new Set<string>();

/** Three hosts; h1 owns `web`; all heard just now unless named silent. */
export function cluster(kind: "replicated" | "shared-dir", owner: Owner | null = held("h1", 1, 4)): Records {
  const records = new Records();
  for (const name of ["h1", "h2", "h3"]) records.host(name);
  records.put(keys.pool("shared" as PoolId), pool("shared", kind)).put(keys.vm(vmId("web")), vm("web"));
  if (owner !== null) records.put(keys.owner(vmId("web")), owner);
  return records;
}

export function knowledge(records: Records, silentSinceMs: Record<string, number> = {}): ManagerKnowledge {
  const contacts = new Map<ReturnType<typeof host>, Contact>();
  for (const [id, registration] of records.view.hosts) {
    const n = registration.value.incarnation;
    const beat = heartbeatOf(records.view, id, n);
    if (beat === undefined) continue;
    const heard = { incarnation: n, revision: beat.revision, heartbeat: beat.value };
    const at = (now - (silentSinceMs[id] ?? 100)) as InstantMs;
    contacts.set(id, hear(undefined, heard, 5_600, at, true));
  }
  return {
    now,
    wall: 0 as WallMs,
    self: host("h2"),
    contacts,
    fencesSeenAt: new Map(),
    failuresSeenAt: new Map(),
    balance: noBalance,
    lost: new Set(),
    turns: new Map(),
    ownWaitMs: 5_600,
    leadingSince: 0 as InstantMs,
    promised: new Map(),
  };
}

export const judge = {
  own: { lastAt: now, since: 0 as InstantMs, graceUntil: 0 as InstantMs },
  startedAt: 0 as InstantMs,
  extraMs: 0,
  also: [],
};

export const written = (decided: Decided, key: string): unknown => {
  for (const decision of decided.decisions) {
    for (const write of decision.transaction.writes)
      if (write.key === key && write.kind === "put") return JSON.parse(write.text);
  }
  return undefined;
};
