import { branchCommands } from "./commands/branch.ts";
import { clusterCommands } from "./commands/cluster.ts";
import { explainCommands } from "./commands/explain.ts";
import { groupCommands } from "./commands/group.ts";
import { hostCommands } from "./commands/host.ts";
import { labCommands } from "./commands/lab.ts";
import { logCommands } from "./commands/log.ts";
import { pointCommands } from "./commands/point.ts";
import { policyCommands } from "./commands/policy.ts";
import { poolCommands } from "./commands/pool.ts";
import { ruleCommands } from "./commands/rule.ts";
import { simulateCommands } from "./commands/simulate.ts";
import { taskCommands } from "./commands/task-list.ts";
import { vmCommands } from "./commands/vm.ts";
import { whatifCommands } from "./commands/whatif.ts";
import type { Io } from "./io.ts";
import { type Group, runCli } from "./program.ts";
import type { ExitCode } from "./trouble.ts";

const groups: readonly Group[] = [
  clusterCommands,
  hostCommands,
  vmCommands,
  taskCommands,
  poolCommands,
  policyCommands,
  ruleCommands,
  groupCommands,
  pointCommands,
  branchCommands,
  logCommands,
  explainCommands,
  whatifCommands,
  simulateCommands,
  labCommands,
];

/** The command `holdfast`. */
export function cli(argv: readonly string[], io: Io): Promise<ExitCode> {
  return runCli(argv, io, groups);
}
