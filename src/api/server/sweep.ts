import { inKeyOrder } from "../../base/order.ts";
import { unchanged } from "../../core/requests/plan.ts";
import { later, type Revision, type StoreKey, type WallMs } from "../../model/ids.ts";
import { parseJson } from "../../model/json.ts";
import { keys } from "../../model/keys.ts";
import { requestSchema } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import { type ApiOptions, apiLimits } from "./options.ts";

type Old = { readonly key: StoreKey; readonly revision: Revision };

/** How many records one transaction removes: etcd allows 128 operations. */
const batchMax = 50;

/**
 * Removes answered requests, ended tasks and answered intents after a day, so that the store does not grow without
 * limit. Every host's API server does it: each removal is guarded by the revision, so that several at once do no harm.
 * The wall clock may be wrong here: at worst a record goes early or late, and history lies in the journal.
 */
export function sweepRegularly(options: ApiOptions): () => void {
  let cancel = () => {};
  const sweep = () => {
    cancel = options.clock.wakeAt(later(options.clock.now(), apiLimits.sweepMs), sweep);
    const before = (options.clock.wall() - apiLimits.keepMs) as WallMs;
    removeAll(options, oldOfView(options.view(), before));
    options.store.snapshot(keys.requests, (end) => {
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

function oldOfView(view: ClusterView, before: WallMs): Old[] {
  const tasks = inKeyOrder(view.tasks)
    .filter(([, { value }]) => value.end !== null && value.end.at < before)
    .map(([id, { revision }]) => ({ key: keys.task(id), revision }));
  const intents = inKeyOrder(view.intents)
    .filter(([, { value }]) => value.answer.kind !== "open" && value.answer.at < before)
    .map(([id, { revision }]) => ({ key: keys.intent(id), revision }));
  return [...tasks, ...intents];
}

function removeAll(options: ApiOptions, old: readonly Old[]): void {
  for (let from = 0; from < old.length; from += batchMax) {
    const batch = old.slice(from, from + batchMax);
    options.store.commit(
      {
        compares: batch.map(({ key, revision }) => unchanged(key, { value: undefined, revision })),
        writes: batch.map(({ key }) => ({ kind: "delete", key })),
      },
      apiLimits.storeMs,
      // Whatever did not go now goes with the next sweep.
      () => {},
    );
  }
}
