import { limits } from "../../core/limits.ts";
import type { Transaction } from "../../model/transaction.ts";
import type { CheckerKind } from "./kind.ts";

/** S22: bounds that keep a slow store from being buried: heartbeats in flight, one transaction per VM and decider. */
export const bounds: CheckerKind = {
  rule: "LIM",
  make: (_world, fail) => {
    const open = new Map<object, Map<string, number>>();
    return {
      asked: (writer, transaction, by) => {
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

function subjectsOf(transaction: Transaction): { readonly subject: string; readonly max: number }[] {
  const managed = transaction.compares.some((compare) => compare.key === "/manager/term/");
  return transaction.writes.flatMap(({ key }) => {
    if (key.startsWith("/hb/")) return [{ subject: key, max: limits.heartbeatsInFlightMax }];
    if (key.startsWith("/owner/")) return [{ subject: `${managed ? "manager" : "agent"} ${key}`, max: 1 }];
    return [];
  });
}
