import { clusterContract } from "./cluster.ts";
import { eventContract } from "./event.ts";
import { groupContract } from "./group.ts";
import { hostContract } from "./host.ts";
import { pointContract } from "./point.ts";
import { policyContract } from "./policy.ts";
import { poolContract } from "./pool.ts";
import { ruleContract } from "./rule.ts";
import { taskContract } from "./task.ts";
import { vmContract } from "./vm.ts";
import { whatifContract } from "./whatif.ts";

/** The one contract: REST API, OpenAPI, client, CLI and console all come from it. */
export const contract = {
  cluster: clusterContract,
  host: hostContract,
  vm: vmContract,
  pool: poolContract,
  policy: policyContract,
  rule: ruleContract,
  group: groupContract,
  point: pointContract,
  event: eventContract,
  task: taskContract,
  whatif: whatifContract,
};
export type Contract = typeof contract;
