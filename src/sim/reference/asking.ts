import type { Asked } from "../../core/requests/plan.ts";
import type { Refusal } from "../../model/reason.ts";
import type { EventDraft } from "../../model/records.ts";
import type { Transaction } from "../../model/transaction.ts";
import type { ClusterView } from "../../model/view.ts";
import type { SimHost } from "../world/host.ts";
import type { World } from "../world/world.ts";
import { scenarioActor } from "./records.ts";

/** How a request is carried out: one transaction, or a refusal. */
export type Asking = (
  view: ClusterView,
  asked: Asked,
) => Refusal | { readonly kind: "plan"; readonly transaction: Transaction; readonly events: readonly EventDraft[] };

/** A person asks again while nobody answers, this often and this long. */
const askAgainMs = 500;
const patienceMs = 120_000;

/** Asks the API of a host that answers, with that host's view, as a person would. */
export function askCluster(world: World, asking: Asking): void {
  const until = world.scheduler.now + patienceMs;
  const again = (): void => {
    if (world.scheduler.now < until) world.scheduler.after(askAgainMs, tryOnce);
  };
  const tryOnce = (): void => {
    const host = answeringHost(world);
    const daemon = host === undefined ? undefined : world.daemons.get(host.id);
    if (host === undefined || daemon === undefined || daemon.view().cluster === undefined) {
      again();
      return;
    }
    const planned = asking(daemon.view(), { actor: scenarioActor, at: host.clock.wall() });
    if (planned.kind === "refused") {
      world.tell("operator", "refused", { code: planned.code });
      return;
    }
    daemon.commit(planned.transaction, planned.events, (end) => {
      if (end.kind !== "committed") again();
    });
  };
  tryOnce();
}

/** Whom a person would ask: the manager's host if it answers, else any that does. */
function answeringHost({ hosts, members, daemons, truth }: World): SimHost | undefined {
  const answering = hosts.filter(
    (host) =>
      members.seesQuorum(host.number) &&
      daemons.has(host.id) &&
      !host.processes.daemon.stopped &&
      !host.trouble.storeBlocked,
  );
  return answering.find(({ id }) => id === truth.term?.host) ?? answering[0];
}
