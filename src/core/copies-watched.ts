import type { HostId, VmId } from "../model/ids.ts";
import type { Check, Reason } from "../model/reason.ts";
import type { Group } from "../model/replication-records.ts";
import type { ClusterView } from "../model/view.ts";
import { reason } from "./placement/fitness.ts";

// S21: who else wrote the images of copies, as far as their host has noted it. It is told, by a check of that host and by the group, and
// nothing else follows from it: no copy is refused, given up or copied anew by itself.

/** `words`: who wrote what and when; `note`: the file that says so, as long as it lies there. */
export type Edited = { readonly volume: string; readonly words: string; readonly note: string };
/** Nobody sees who else writes the images of this VM, and why. */
export type Unwatched = { readonly vm: VmId; readonly why: string };

/** One for each VM that somebody wrote to, and one for all of which nobody would see it. */
export function copiesChecks(
  view: ClusterView,
  host: HostId,
  edited: readonly Edited[],
  unwatched: readonly Unwatched[],
): Check[] {
  const byVm = new Map<string, Edited[]>();
  for (const one of edited) {
    const vm = ownerOf(view, one.volume);
    byVm.set(vm, [...(byVm.get(vm) ?? []), one]);
  }
  const checks = [...byVm].map(([vm, found]): Check => {
    const detail = found.map(({ words }) => words).join("; ");
    const notes = found.map(({ note }) => note).join(", ");
    return { id: "copies-edited", subject: vm, level: "fail", params: { host, vm: nameOf(view, vm), detail, notes } };
  });
  const [first] = unwatched;
  if (first === undefined) return checks;
  const vms = unwatched.map(({ vm }) => nameOf(view, vm)).join(", ");
  return [...checks, { id: "copies-unwatched", subject: host, level: "warn", params: { host, vms, why: first.why } }];
}

/** The VM whose disk it is; of one that is nobody's any more, itself. */
function ownerOf(view: ClusterView, volume: string): string {
  for (const [id, { value }] of view.vms) if (value.spec.disks.some((disk) => disk.volume === volume)) return id;
  return volume;
}

function nameOf(view: ClusterView, vm: string): string {
  return view.vms.get(vm as VmId)?.value.name ?? vm;
}

/** Of this VM of the group, by the present word of both of its hosts. */
export function editTroubles(
  view: ClusterView,
  { source, target }: Group,
  vm: VmId,
): readonly (readonly ["Error", Reason])[] {
  return [source, target].flatMap((host) => {
    const facts = view.facts.get(host)?.value;
    if (facts === undefined || facts.incarnation !== view.hosts.get(host)?.value.incarnation) return [];
    return facts.checks
      .filter(({ id, subject }) => id === "copies-edited" && subject === vm)
      .map(({ id, params }) => ["Error", reason("S21", id, params)] as const);
  });
}
