import type { ClusterStatus } from "../../api/contract/cluster.ts";
import { render } from "../../model/messages/index.ts";
import { examples, type Group, jsonOption } from "../program.ts";
import { fields, orDash, staleness } from "../text.ts";
import { hostTable } from "./host.ts";
import { vmTable } from "./vm-show.ts";

export const clusterCommands: Group = (program, cli) => {
  const cluster = program.command("cluster").description("the cluster as a whole");
  cluster.addHelpText("after", examples("holdfast cluster status"));
  cluster
    .command("status")
    .description("the cluster at a glance: hosts, VMs, and what needs attention")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast cluster status", "holdfast cluster status --json"))
    .action(async (options) => {
      const status = await (await cli.session()).call((client) => client.cluster.status());
      if (options.json === true) cli.json(status);
      else cli.io.out(statusText(status));
    });
};

function statusText(status: ClusterStatus): string {
  const manager = status.manager === null ? "none" : `${status.manager.host} (term ${status.manager.term})`;
  const head = fields([
    ["Cluster", orDash(status.cluster?.name)],
    ["Manager", manager],
    ["Answered by", `${status.answeredBy}, version ${status.version}`],
    ["Networks", status.networks.map((network) => network.name).join(", ") || "-"],
  ]);
  const checks = status.checks.map((check) => {
    const { cause, effect, remedy } = render(check.id, check.params);
    const rest = [effect === null ? "" : `\n        ${effect}`, remedy === null ? "" : `\n        ${remedy}`];
    return `${check.level.toUpperCase().padEnd(7)} ${cause}${rest.join("")}\n`;
  });
  return [
    staleness(status.asOfMs),
    head,
    "\n",
    hostTable(status.hosts),
    "\n",
    status.vms.length === 0 ? "No VMs.\n" : vmTable(status.vms),
    checks.length === 0 ? "" : `\nNeeds attention\n${checks.join("")}`,
  ].join("");
}
