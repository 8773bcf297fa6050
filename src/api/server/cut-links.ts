import type { Foreseen } from "../../core/foresee/forecast.ts";
import { cutLinks } from "../../core/migration-links.ts";
import { reason } from "../../core/placement/fitness.ts";
import { findHost, findVm } from "../../core/requests/find.ts";
import { wayOfMove } from "../../core/requests/move-target.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import { type Params, refuse } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import type { Mutation } from "./mutate.ts";
import { type ApiOptions, apiLimits } from "./options.ts";
import { answered } from "./wait.ts";

const code = "move-links-cut";

/** A guest that moves while it runs needs a link: looked at when nothing else speaks against the order, before it is recorded. */
export function linksFirst(
  options: ApiOptions,
  kind: "migrate" | "relocate",
  wanted: { readonly vm: string; readonly to: string },
): Mutation["prepare"] {
  if (kind !== "migrate") return undefined;
  const make = async () => {
    const view = options.view();
    const [vm, target] = [findVm(view, wanted.vm), findHost(view, wanted.to)];
    if (vm.kind === "refused" || target.kind === "refused") return undefined;
    const cut = await whyCut(options, view, vm.stored.value.id, target.stored.value.id);
    return cut === undefined ? undefined : refuse(code, cut);
  };
  return { make, undo: async () => undefined };
}

/** What was foreseen without a look at the links: a guest that could not be sent stays where it is. */
export async function withCutLinks(
  options: ApiOptions,
  view: ClusterView,
  vms: readonly Foreseen[],
): Promise<readonly Foreseen[]> {
  return Promise.all(
    vms.map(async (foreseen): Promise<Foreseen> => {
      const { vm, from, to, becomes, loses } = foreseen;
      if (becomes !== "moves" || loses !== null || to === null) return foreseen;
      const cut = await whyCut(options, view, vm, to);
      if (cut === undefined) return foreseen;
      const why = reason("HM4", code, cut);
      return { ...foreseen, becomes: "stays", to: from, afterMs: null, downMs: null, guessed: [], why, fix: null };
    }),
  );
}

/**
 * Every link over which the guest would be sent is cut, as far as this host can see at this moment. The target's agent and the
 * source's look again: this only says at once what would be in vain.
 */
async function whyCut(options: ApiOptions, view: ClusterView, id: VmId, to: HostId): Promise<Params | undefined> {
  const [vm, host] = [view.vms.get(id)?.value, view.members.get(to)?.value];
  const way = vm === undefined || host === undefined ? undefined : wayOfMove(view, vm, host);
  const { clock, self, links: look } = options;
  if (look === undefined || vm === undefined || host === undefined || way === undefined || way.links.length === 0)
    return undefined;
  const { links, from } = way;
  const asker = self === from.id ? "from" : self === host.id ? "to" : "other";
  const asked = links.flatMap((link) => [
    ...(asker === "from" ? [] : [link.from]),
    ...(asker === "to" ? [] : [link.to]),
  ]);
  // Whoever does not say in time says nothing: then none of them counts as cut.
  const answers = await answered<readonly string[] | undefined>(clock, apiLimits.linksMs, undefined, (done) =>
    look.answering(asked, done),
  );
  if (answers === undefined || cutLinks(links, asker, new Set(answers)).length < links.length) return undefined;
  const tried = links.map((link) => `${link.from} to ${link.to}`).join("; ");
  return { vm: vm.name, from: from.name, host: host.name, tried };
}
