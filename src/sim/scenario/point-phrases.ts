import { pointsOf } from "../../core/points.ts";
import { planSetGroup } from "../../core/requests/groups.ts";
import { planDropPoint, planExportPoint, planTakePoint, planTestPoint } from "../../core/requests/points.ts";
import type { IntentId, VmId } from "../../model/ids.ts";
import type { ClusterView } from "../../model/view.ts";
import type { Ask } from "../faults/operator.ts";
import type { PhraseArgs } from "./phrase-words.ts";

type OfVm = Pick<PhraseArgs, "vm">;

// What people ask of recovery points.

/** `keep`: two of twice that time. */
export function schedule({ rule, value }: PhraseArgs): Ask {
  const points = { everyMs: value, keep: [{ everyMs: 2 * value, count: 2 }] };
  return (view, _event, asked) => planSetGroup(view, { group: rule, points }, asked);
}

export function takePoint({ vm }: OfVm): Ask {
  return (view, { atMs }, asked) => planTakePoint(view, { vm, consistency: "crash" }, idOf("take", vm, atMs), asked);
}

export function dropPoint({ vm }: OfVm): Ask {
  return (view, { atMs }, asked) => planDropPoint(view, { vm, point: oldest(view, vm) }, idOf("drop", vm, atMs), asked);
}

export function exportPoint({ vm }: OfVm): Ask {
  return (view, { atMs }, asked) => {
    const request = { vm, point: "newest", folder: `/exports/${vm}` };
    return planExportPoint(view, request, idOf("export", vm, atMs), asked);
  };
}

export function testPoint({ vm }: OfVm): Ask {
  return (view, { atMs }, asked) => {
    const request = { vm, point: "newest", checks: [{ kind: "agent" as const }], limitMs: 60_000 };
    return planTestPoint(view, request, idOf("test", vm, atMs), asked);
  };
}

function oldest(view: ClusterView, vm: string): string {
  const id = `vm:${vm}` as VmId;
  const [first] = pointsOf(view, id);
  return first?.value.id ?? "none";
}

function idOf(act: string, vm: string, atMs: number): IntentId {
  return `intent-${act}-${vm}-${Math.round(atMs)}` as IntentId;
}
