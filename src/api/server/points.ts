import { compareNatural } from "../../base/order.ts";
import { pointVm } from "../../core/point-vm.ts";
import { pointsOf } from "../../core/points.ts";
import { hostOf } from "../../core/requests/groups.ts";
import type { Asked, Planned } from "../../core/requests/plan.ts";
import {
  findPointVm,
  planDropPoint,
  planExportPoint,
  planTakePoint,
  planTestPoint,
  pointHost,
} from "../../core/requests/points.ts";
import type { IntentId, VmId } from "../../model/ids.ts";
import type { Point } from "../../model/point-records.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { ClusterView, Stored } from "../../model/view.ts";
import type { PointOutput, WishOutput } from "../contract/point.ts";
import { type Answer, ask, type WithRequestId } from "./ask.ts";
import { freshIntentId } from "./fresh.ts";
import type { ApiOptions } from "./options.ts";

type Input<P extends (view: ClusterView, request: never, intent: IntentId, asked: Asked) => Planned> =
  Parameters<P>[1] & WithRequestId;

/** All, or those of one VM, by VM and then oldest first. */
export function presentPoints(view: ClusterView, wanted: string | undefined, now: number): PointOutput[] | Refusal {
  const found = wanted === undefined ? undefined : findPointVm(view, wanted);
  if (found !== undefined && "kind" in found) return found;
  const vms = found === undefined ? [...new Set([...view.points.values()].map(({ value }) => value.vm))] : [found.id];
  const nameOf = (vm: VmId): string => pointVm(view, vm).name;
  return vms
    .sort((a, b) => compareNatural(nameOf(a), nameOf(b)))
    .flatMap((vm) => pointsOf(view, vm).map((stored) => presentPoint(view, stored, now)));
}

function presentPoint(view: ClusterView, { value }: Stored<Point>, now: number): PointOutput {
  const { schema: _, vm, vmAs: __, ...rest } = value;
  const { name, isDeleted } = pointVm(view, vm);
  return {
    ...rest,
    vm: { id: vm, name },
    vmDeleted: isDeleted,
    host: pointHost(view, value),
    ageMs: Math.max(0, now - value.at),
    whyCrash: whyCrashOf(view, value),
    boot: value.boot ?? null,
    earlierProofs: value.earlierProofs ?? [],
    earlier: [...(value.earlier ?? [])],
  };
}

/** In the words of people: VMs by name. */
function whyCrashOf(view: ClusterView, { whyCrash, vm }: Point): PointOutput["whyCrash"] {
  if (whyCrash === undefined) return null;
  return { code: whyCrash.code, params: { ...whyCrash.params, vm: view.vms.get(vm)?.value.name ?? vm } };
}

export function presentWish(view: ClusterView, id: string): WishOutput | Refusal {
  const intent = view.intents.get(id as IntentId)?.value;
  if (intent?.kind !== "point") return refuse("point-wish-unknown", { wish: id });
  const { answer, wish, vm } = intent;
  return {
    wish: id,
    vm: { id: vm, name: pointVm(view, vm).name },
    act: wish.act,
    point: wish.act === "take" ? null : wish.point,
    host: hostOf(view, intent.host),
    state: answer.kind,
    trouble: answer.kind === "refused" ? { code: answer.code, params: answer.params } : null,
  };
}

/** Wishes about recovery points, answered once they are on record; what became of them is told by `wish`. */
export function pointChanges(options: ApiOptions) {
  const change = async (
    procedure: string,
    input: WithRequestId,
    plan: (intent: IntentId, asked: Asked) => Planned,
  ): Promise<Answer<WishOutput>> => {
    const end = await ask(options, procedure, "intent", input, (asked) => plan(freshIntentId(options.random), asked));
    if (end.kind !== "ok") return end;
    const shown = presentWish(options.view(), end.value.intent);
    return "kind" in shown ? shown : { kind: "ok", value: shown };
  };
  return {
    take: (input: Input<typeof planTakePoint>) =>
      change("point.take", input, (intent, asked) => planTakePoint(options.view(), input, intent, asked)),
    drop: (input: Input<typeof planDropPoint>) =>
      change("point.drop", input, (intent, asked) => planDropPoint(options.view(), input, intent, asked)),
    export: (input: Input<typeof planExportPoint>) =>
      change("point.export", input, (intent, asked) => planExportPoint(options.view(), input, intent, asked)),
    test: (input: Input<typeof planTestPoint>) =>
      change("point.test", input, (intent, asked) => planTestPoint(options.view(), input, intent, asked)),
  };
}
