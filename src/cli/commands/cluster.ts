import { Option } from "@commander-js/extra-typings";
import type { ClusterStatus } from "../../api/contract/cluster.ts";
import { render } from "../../model/messages/index.ts";
import { type Cli, examples, type Group, jsonOption } from "../program.ts";
import { checksText, fields, moment, orDash, staleness } from "../text.ts";
import { hostTable } from "./host.ts";
import { takeoverCommand } from "./takeover.ts";
import { taskTable } from "./task-list.ts";
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
  disarmCommands(cluster, cli);
  takeoverCommand(cluster, cli);
};

function disarmCommands(cluster: Parameters<Group>[0], cli: Cli): void {
  cluster
    .command("disarm")
    .description("let nothing be started, moved, restarted or recovered, until the cluster is armed again")
    .addOption(
      new Option("--mode <mode>", "freeze: VMs stay managed and wait; ignore: they count as not managed")
        .choices(["freeze", "ignore"] as const)
        .makeOptionMandatory(),
    )
    .option("--json", "print the answer as JSON")
    .addHelpText("after", examples("holdfast cluster disarm --mode freeze"))
    .action(async ({ json, mode }) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.cluster.disarm({ mode, requestId }),
      );
      if (json === true) cli.json(answer);
      else cli.io.out(`The cluster is disarmed (${mode}). End it with: holdfast cluster arm\n`);
    });
  cluster
    .command("arm")
    .description("end a disarm: VMs are started, moved and recovered again")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", examples("holdfast cluster arm"))
    .action(async ({ json }) => {
      const answer = await (await cli.session()).change((client, requestId) => client.cluster.arm({ requestId }));
      if (json === true) cli.json(answer);
      else cli.io.out("The cluster is armed.\n");
    });
}

function admissionText({ hosts, members, bears, wanted, exact, counterexample }: ClusterStatus["admission"]): string {
  if (hosts === 0) return `not known: the host that answers hears none of the ${members} hosts`;
  const looked = exact ? "" : "; of combinations only the one that takes the most memory was looked at";
  const more = counterexample === null && bears < hosts ? " or more" : "";
  const all = `${hosts} host${hosts === 1 ? "" : "s"}`;
  const there = hosts < members ? `the ${all} that are up (of ${members})` : all;
  const head = `the loss of ${bears}${more} of ${there}; wanted ${wanted}${looked}`;
  if (counterexample === null) return head;
  const { losing, vm, why, fix } = counterexample;
  const what = vm === null ? "no VM finds a host" : `VM ${vm} finds no host`;
  const help = fix === null ? "No single change would do." : render(fix.code, fix.params).cause;
  return `${head}\n  without ${losing.join(" and ")} ${what}: ${render(why.code, why.params).cause} ${help}`;
}

function statusText(status: ClusterStatus): string {
  const manager = status.manager === null ? "none" : `${status.manager.host} (term ${status.manager.term})`;
  const { disarm } = status;
  const head = fields([
    ["Cluster", orDash(status.cluster?.name)],
    ["Manager", manager],
    ["Armed", disarm === null ? "yes" : `no: ${disarm.mode}, by ${disarm.by.name} since ${moment(disarm.at)}`],
    ["Answered by", `${status.answeredBy}, version ${status.version}`],
    ["Bears", admissionText(status.admission)],
    ["Networks", status.networks.map((network) => network.name).join(", ") || "-"],
  ]);
  return [
    staleness(status.asOfMs),
    head,
    "\n",
    hostTable(status.hosts),
    "\n",
    status.vms.length === 0 ? "No VMs.\n" : vmTable(status.vms),
    status.tasks.length === 0 ? "" : `\nUnder way\n${taskTable(status.tasks)}`,
    checksText(status.checks),
  ].join("");
}
