import { limits } from "../../core/limits.ts";
import { keys } from "../../model/keys.ts";
import type { Transaction } from "../../model/transaction.ts";
import type { CheckerKind } from "./kind.ts";

/** Of one process, about one record: what is refused is looked at again, not asked for again and again. */
const asksPerSecondMax = 60;

/**
 * S22: bounds that keep a slow store from being buried: heartbeats in flight, one transaction per VM and decider, and no record
 * that one process asks for as fast as it is refused.
 */
export const bounds: CheckerKind = {
  rule: "LIM",
  make: (world, fail) => {
    const open = new Map<object, Map<string, number>>();
    const asks = new WeakMap<object, { second: number; counts: Map<string, number> }>();
    const countAsks = (life: object, who: string, { writes }: Transaction): void => {
      const second = Math.floor(world.scheduler.now / 1_000);
      const before = asks.get(life);
      const known = before?.second === second ? before : { second, counts: new Map<string, number>() };
      asks.set(life, known);
      for (const { key } of writes) {
        const count = (known.counts.get(key) ?? 0) + 1;
        known.counts.set(key, count);
        if (count === asksPerSecondMax) fail(`${who} asks for ${key} ${count} times in a second`);
      }
    };
    return {
      asked: (writer, transaction, by) => {
        if (by > 0) countAsks(writer.life, writer.host.id, transaction);
        const mine = open.get(writer.life) ?? new Map<string, number>();
        open.set(writer.life, mine);
        for (const { subject, max } of subjectsOf(transaction)) {
          const count = (mine.get(subject) ?? 0) + by;
          mine.set(subject, count);
          if (count > max) fail(`${writer.host.id} has ${count} transactions of ${subject} under way, at most ${max}`);
        }
      },
    };
  },
};

type Subject = { readonly subject: string; readonly max: number };

function subjectsOf({ compares, writes }: Transaction): Subject[] {
  const subjects: Subject[] = [];
  for (const { key } of writes) {
    if (key.startsWith("/hb/")) subjects.push({ subject: key, max: limits.heartbeatsInFlightMax });
    if (!key.startsWith("/owner/")) continue;
    const managed = compares.some((compare) => compare.key === keys.managerTerm);
    subjects.push({ subject: `${managed ? "manager" : "agent"} ${key}`, max: 1 });
  }
  return subjects;
}
