import { type MaintenanceRequest, planMaintenance, planRelease } from "../../core/requests/change-host.ts";
import { type PolicyPatch, planSetPolicy } from "../../core/requests/change-policy.ts";
import { planArm, planDisarm } from "../../core/requests/disarm.ts";
import type { Disarm } from "../../model/policy.ts";
import type { ClusterStatus } from "../contract/cluster.ts";
import type { PolicyOutput } from "../contract/policy.ts";
import { type Answer, ask, type Named, type WithRequestId } from "./ask.ts";
import type { ApiOptions } from "./options.ts";
import { presentDisarm, presentPolicy } from "./present-cluster.ts";

type Disarmed = { readonly disarm: ClusterStatus["disarm"] };

/** Everything that changes hosts and what holds for the whole cluster, answered when it is committed. */
export function clusterChanges(options: ApiOptions) {
  const disarmed = (): Answer<Disarmed> => ({ kind: "ok", value: { disarm: presentDisarm(options.view()) } });
  return {
    maintenance: async (
      input: MaintenanceRequest & WithRequestId,
    ): Promise<Answer<Named & { readonly vms: number }>> => {
      const end = await ask(options, "host.maintenance", "host-changed", input, (asked) =>
        planMaintenance(options.view(), input, asked),
      );
      if (end.kind !== "ok") return end;
      const { host, name } = end.value;
      const owners = [...options.view().owners.values()];
      const vms = owners.filter(({ value }) => value.kind === "held" && value.host === host).length;
      return { kind: "ok", value: { id: host, name, vms } };
    },
    release: async (input: WithRequestId & { readonly host: string }): Promise<Answer<Named>> => {
      const end = await ask(options, "host.release", "host-changed", input, (asked) =>
        planRelease(options.view(), input.host, asked),
      );
      return end.kind === "ok" ? { kind: "ok", value: { id: end.value.host, name: end.value.name } } : end;
    },
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
    setPolicy: async (input: PolicyPatch & WithRequestId): Promise<Answer<PolicyOutput>> => {
      const { requestId, ...patch } = input;
      const end = await ask(options, "policy.set", "cluster-changed", input, (asked) =>
        planSetPolicy(options.view(), patch, asked),
      );
      return end.kind === "ok" ? { kind: "ok", value: presentPolicy(options.view()) } : end;
    },
  };
}
