import { remove, transaction, unchanged } from "../../core/transactions.ts";
import { later } from "../../model/ids.ts";
import { parseJson } from "../../model/json.ts";
import { requestsPrefix } from "../../model/keys.ts";
import { requestSchema } from "../../model/request-records.ts";
import type { StoredValue } from "../../ports/store.ts";
import { type ApiOptions, apiLimits } from "./options.ts";

/** How many records one transaction removes: etcd allows 128 operations. */
const batchMax = 50;

/**
 * Removes the records of requests after a day, so that the store does not grow without limit. (Ended tasks and answered
 * intents are the manager's.) Every host's API server does it: each removal is guarded by the revision, so that several
 * at once do no harm. The wall clock may be wrong here: at worst a record goes early or late.
 */
export function sweepRegularly(options: ApiOptions): () => void {
  let cancel = () => {};
  const sweep = () => {
    cancel = options.clock.wakeAt(later(options.clock.now(), apiLimits.sweepMs), sweep);
    const before = options.clock.wall() - apiLimits.keepMs;
    options.store.snapshot(requestsPrefix, (end) => {
      if (end.kind === "unknown") return;
      removeAll(
        options,
        end.values.filter(({ text }) => {
          const parsed = requestSchema.safeParse(parseJson(text));
          return parsed.success && parsed.data.at < before;
        }),
      );
    });
  };
  cancel = options.clock.wakeAt(later(options.clock.now(), apiLimits.sweepMs), sweep);
  return () => cancel();
}

function removeAll(options: ApiOptions, old: readonly StoredValue[]): void {
  for (let from = 0; from < old.length; from += batchMax) {
    const batch = old.slice(from, from + batchMax);
    const write = transaction(
      batch.map(({ key, revision }) => unchanged(key, { value: undefined, revision })),
      batch.map(({ key }) => remove(key)),
    );
    // Whatever did not go now goes with the next sweep.
    options.store.commit(write, apiLimits.storeMs, () => {});
  }
}
