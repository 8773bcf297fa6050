import { must } from "../../base/assert.ts";
import { inKeyOrder } from "../../base/order.ts";
import { hasOwnFigure } from "../../core/foresee/guard.ts";
import {
  type LeaveRequest,
  type MaintenanceRequest,
  planLeave,
  planMaintenance,
  planRelease,
} from "../../core/requests/change-host.ts";
import { type PolicyPatch, planSetPolicy } from "../../core/requests/change-policy.ts";
import { planSetPool, type SetPoolRequest } from "../../core/requests/change-pool.ts";
import { planArm, planDisarm } from "../../core/requests/disarm.ts";
import { findHost, hostName } from "../../core/requests/find.ts";
import type { Sight } from "../../core/requests/sight.ts";
import type { Disarm, ShutdownPolicy } from "../../model/policy.ts";
import type { Reason } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import type { ClusterStatus } from "../contract/cluster.ts";
import type { PolicyOutput } from "../contract/policy.ts";
import type { PoolSummary } from "../contract/pool.ts";
import { type Answer, ask, awaitIntent, type Named, type WithRequestId } from "./ask.ts";
import { freshIntentId } from "./fresh.ts";
import { type Acceptable, EditWatch, guarded } from "./guarded.ts";
import { unreachedFrom } from "./links-ahead.ts";
import type { ApiOptions } from "./options.ts";
import { presentDisarm, presentPolicy } from "./present-cluster.ts";
import { presentPools } from "./present-hosts.ts";

type OneHost = WithRequestId & { readonly host: string };
type Leaving = Named & { readonly shutdownPolicy: ShutdownPolicy };
type Disarmed = { readonly disarm: ClusterStatus["disarm"] };

/** Everything that changes hosts and what holds for the whole cluster, answered when it is committed. */
export function clusterChanges(options: ApiOptions, sight: Sight) {
  const disarmed = (): Answer<Disarmed> => ({ kind: "ok", value: { disarm: presentDisarm(options.view()) } });
  return {
    maintenance: async (
      input: MaintenanceRequest & WithRequestId,
    ): Promise<Answer<Named & { readonly vms: number }>> => {
      // The manager sees no links: what is seen here spares each guest an attempt that comes to nothing.
      const found = findHost(options.view(), input.host);
      const from = found.kind === "refused" ? undefined : found.stored.value.id;
      const unreached = from === undefined ? [] : [...(await unreachedFrom(options, options.view(), from)).keys()];
      const end = await ask(options, "host.maintenance", "host-changed", input, (asked) =>
        planMaintenance(options.view(), { ...input, unreached }, asked),
      );
      if (end.kind !== "ok") return end;
      const { host, name } = end.value;
      const owners = [...options.view().owners.values()];
      const vms = owners.filter(({ value }) => value.kind === "held" && value.host === host).length;
      return { kind: "ok", value: { id: host, name, vms } };
    },
    release: async (input: OneHost): Promise<Answer<Named & { readonly calledOff: string[] }>> => {
      const intent = freshIntentId(options.random);
      const end = await ask(options, "host.release", "host-changed", input, (asked) =>
        planRelease(options.view(), input.host, intent, asked),
      );
      if (end.kind !== "ok") return end;
      const { host: id, name, calledOff = [] } = end.value;
      // It was about to go down: its agent says whether it stays.
      const isAsked = options.view().intents.has(intent);
      const unanswered = { code: "release-not-answered", params: { host: name } };
      const refused = isAsked ? await awaitIntent(options, intent, unanswered) : undefined;
      return refused ?? { kind: "ok", value: { id, name, calledOff } };
    },
    shutdown: (input: Acceptable & OneHost) => leave(options, sight, "power-off", input),
    reboot: (input: Acceptable & OneHost) => leave(options, sight, "reboot", input),
    disarm: async (input: WithRequestId & { readonly mode: Disarm["mode"] }): Promise<Answer<Disarmed>> => {
      const end = await ask(options, "cluster.disarm", "cluster-changed", input, (asked) =>
        planDisarm(options.view(), input.mode, asked),
      );
      return end.kind === "ok" ? disarmed() : end;
    },
    arm: async (input: WithRequestId): Promise<Answer<Disarmed>> => {
      const end = await ask(options, "cluster.arm", "cluster-changed", input, (asked) =>
        planArm(options.view(), asked),
      );
      return end.kind === "ok" ? disarmed() : end;
    },
    setPolicy: async (
      input: PolicyPatch & Acceptable,
    ): Promise<Answer<PolicyOutput & { readonly reserveIgnoredBy: string[]; readonly bearsLess: Reason | null }>> => {
      const { requestId, accept, ...patch } = input;
      const reserveIgnoredBy = patch.hostReserveMiB === undefined ? [] : hostsWithOwnFigure(options.view());
      const watch = new EditWatch(options, sight);
      const end = await ask(options, "policy.set", "cluster-changed", input, (asked) =>
        watch.held("policy set", input, asked, planSetPolicy(options.view(), patch, asked)),
      );
      if (end.kind !== "ok") return end;
      return { kind: "ok", value: { ...presentPolicy(options.view()), reserveIgnoredBy, bearsLess: watch.note } };
    },
    setPool: async (input: SetPoolRequest & Acceptable): Promise<Answer<PoolSummary>> => {
      const end = await ask(options, "pool.set", "cluster-changed", input, (asked) =>
        guarded(options, sight, "pool set", input, asked, planSetPool(options.view(), input, asked)),
      );
      if (end.kind !== "ok") return end;
      const pools = presentPools(options.view());
      const named = ({ id, name }: PoolSummary): boolean => id === input.pool || name === input.pool;
      return { kind: "ok", value: must(pools.find(named), () => `Cannot show pool ${input.pool}: it is gone`) };
    },
  };
}

/** Names of hosts whose configuration says how much memory VMs may have there: the policy's reserve is nothing to them. */
function hostsWithOwnFigure(view: ClusterView): string[] {
  const { hostReserveMiB } = presentPolicy(view);
  return inKeyOrder(view.facts).flatMap(([host, { value }]) =>
    hasOwnFigure(value, hostReserveMiB) ? [hostName(view, host)] : [],
  );
}

export async function leave(
  options: ApiOptions,
  sight: Sight,
  next: LeaveRequest["next"],
  input: Acceptable & OneHost,
): Promise<Answer<Leaving>> {
  const end = await ask(options, `host.leave.${next}`, "host-intent", input, (asked) =>
    planLeave(options.view(), { ...input, next }, freshIntentId(options.random), asked, sight),
  );
  if (end.kind !== "ok") return end;
  const { host: id, name, intent } = end.value;
  const refused = await awaitIntent(options, intent, { code: "leave-not-answered", params: { host: name } });
  const { shutdownPolicy } = presentPolicy(options.view());
  return refused ?? { kind: "ok", value: { id, name, shutdownPolicy } };
}
