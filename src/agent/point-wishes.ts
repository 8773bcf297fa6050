import { inKeyOrder } from "../base/order.ts";
import { derived } from "../core/derived.ts";
import { put, transaction, unchanged } from "../core/transactions.ts";
import { keys } from "../model/keys.ts";
import type { PointWish } from "../model/point-records.ts";
import type { Params } from "../model/reason.ts";
import type { Intent, PointIntent } from "../model/records.ts";
import type { Stored } from "../model/view.ts";
import type { Building } from "./building.ts";
import { isWishTaken, withAnswer, withPoints } from "./note-points.ts";

type Wished<A extends PointWish["act"]> = PointIntent & { readonly wish: Extract<PointWish, { act: A }> };

/** Wishes for this host that nobody has begun to carry out, the oldest id first. */
export function openWishes<A extends PointWish["act"]>(building: Building, act: A): readonly Wished<A>[] {
  const { state, happened } = building;
  return openInView(happened.view).flatMap((value) => {
    if (value.wish.act !== act || value.host !== state.self || isWishTaken(state, value.id)) return [];
    return [value as Wished<A>];
  });
}

const openInView = derived(["intent"], (view): readonly PointIntent[] =>
  inKeyOrder(view.intents).flatMap(([, { value }]) =>
    value.kind === "point" && value.answer.kind === "open" ? [value] : [],
  ),
);

export function refuseWish(building: Building, wish: PointIntent, code: string, params: Params): void {
  const answer = { kind: "refused" as const, code, params, at: building.happened.wall };
  building.state = withAnswer(building.state, wish.id, answer);
}

/** A wish is never swallowed: what became of it is written until it is on record. */
export function answerWishes(building: Building): void {
  for (const [id, answer] of inKeyOrder(building.state.points.answers)) {
    const stored = building.happened.view.intents.get(id);
    if (stored === undefined || stored.value.answer.kind !== "open") {
      const left = new Map(building.state.points.answers);
      left.delete(id);
      building.state = withPoints(building.state, { answers: left });
    } else if (!building.busy(id) && !waitsForRecord(building, stored)) {
      const next: Intent = { ...stored.value, answer };
      building.commit(id, transaction([unchanged(keys.intent(id), stored)], [put(keys.intent(id), next)]), []);
    }
  }
}

/** Whoever hears that it is done finds it on record. */
function waitsForRecord({ state }: Building, { value }: Stored<Intent>): boolean {
  if (value.kind !== "point") return false;
  return (value.wish.act === "take" && state.points.taken.has(value.vm)) || state.points.proofs.has(value.vm);
}
