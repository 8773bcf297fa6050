import { inKeyOrder } from "../base/order.ts";
import { isSame } from "../base/same.ts";
import { event } from "../core/decision.ts";
import { isWorking, protectionOf, runToReceive } from "../core/replication-duty.ts";
import { put, stillIn, transaction, unchanged } from "../core/transactions.ts";
import type { Incarnation } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { HostFacts } from "../model/records.ts";
import { type Building, isNamed } from "./building.ts";
import { silentChecks } from "./silent.ts";
import { runKey } from "./state.ts";

const readEveryMs = 10_000;
const subject = "facts";

/** Reads what this host is and writes it where it has changed: placement rests on it. */
export function decideFacts(building: Building, incarnation: Incarnation): void {
  const { state, happened } = building;
  const due = state.reading === undefined || happened.now - state.readAt >= readEveryMs || lacksPool(building);
  if (due && !state.readRunning) {
    building.state = { ...building.state, readRunning: true };
    building.effects.push({ kind: "read" });
  }
  if (state.reading === undefined || building.busy(subject)) return;
  const before = happened.view.facts.get(state.self);
  const registration = happened.view.hosts.get(state.self);
  const refused = copiesRefused(building);
  const next: HostFacts = {
    ...{ ...state.reading, schema: 1, incarnation, accel: state.accel, at: happened.wall },
    checks: [...state.reading.checks, ...silentChecks(building)],
    ...(refused.length === 0 ? {} : { copiesRefused: refused }),
  };
  if (registration === undefined || (before !== undefined && sameFacts(before.value, next))) return;
  const key = keys.hostFacts(state.self);
  const joined = before?.value.incarnation !== incarnation;
  const told = joined
    ? [event("host-joined", { host: state.self }, { host: state.self, incarnation, accel: state.accel })]
    : [];
  building.commit(
    subject,
    transaction([unchanged(key, before), ...stillIn(state.self, registration)], [put(key, next)]),
    told,
  );
}

/** S21: as long as it is so, only this host knows why it takes, or sends, no copy. */
function copiesRefused({ state, happened: { view } }: Building): NonNullable<HostFacts["copiesRefused"]> {
  const untaken = inKeyOrder(state.replicas.receiving).flatMap(([vm, { refused, epoch }]) => {
    if (refused === null || runToReceive(view, vm, state.self)?.epoch !== epoch) return [];
    return [{ vm, code: refused.code, params: refused.params }];
  });
  const unsent = inKeyOrder(state.replicas.unsent).flatMap(([vm, { run, code, params }]) => {
    const protection = protectionOf(view, vm);
    const isMirrored = protection?.group.mode.kind === "synchronous" && isWorking(view, protection.group);
    const isHere = (state.locals.get(runKey(run))?.phase ?? "gone") !== "gone" && isNamed(view, state.self, run);
    return isMirrored && isHere ? [{ vm, code, params }] : [];
  });
  return [...untaken, ...unsent];
}

/** A pool that was made after the last reading: VMs may be waiting for a host that has it. */
function lacksPool(building: Building): boolean {
  const read = building.state.reading?.pools ?? [];
  return [...building.happened.view.pools.keys()].some((id) => !read.some((found) => found.pool === id));
}

function sameFacts(a: HostFacts, b: HostFacts): boolean {
  return isSame(a, { ...b, at: a.at });
}
