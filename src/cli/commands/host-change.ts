import { type Cli, examples, type Group } from "../program.ts";
import { hostRemoveCommands } from "./host-remove.ts";
import { maintenanceCommand } from "./maintenance.ts";

type Parent = Parameters<Group>[0];

export function hostChangeCommands(host: Parent, cli: Cli): void {
  maintenanceCommand(host, cli);
  host
    .command("release")
    .description("take a host back: ends its maintenance, its quarantine, and an order to go down until it goes")
    .argument("<host>", "name or id")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", examples("holdfast host release h1"))
    .action(async (name, { json }) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.host.release({ host: name, requestId }),
      );
      if (json === true) cli.json(answer);
      else cli.io.out(`${answer.name} takes VMs again.\n${calledOffText(answer)}`);
    });
  leaveCommand(host, cli, "shutdown", "switch a host off in order; the shutdown policy says what becomes of its VMs");
  leaveCommand(host, cli, "reboot", "reboot a host in order; the shutdown policy says what becomes of its VMs");
  hostRemoveCommands(host, cli);
}

function calledOffText({ name, calledOff }: { readonly name: string; readonly calledOff: readonly string[] }): string {
  return calledOff.length === 0 ? "" : `Called off, what was on its way goes on at ${name}: ${calledOff.join(", ")}.\n`;
}

function leaveCommand(host: Parent, cli: Cli, verb: "shutdown" | "reboot", description: string): void {
  host
    .command(verb)
    .description(description)
    .argument("<host>", "name or id")
    .option("--accept", "also where the VMs of all hosts stand still without it, because no majority is left")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", examples(`holdfast host ${verb} h1`, `holdfast policy show && holdfast host ${verb} h1`))
    .action(async (name, { json, accept }) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.host[verb]({ host: name, accept, requestId }),
      );
      const what = verb === "reboot" ? "reboots" : "switches itself off";
      if (json === true) cli.json(answer);
      else cli.io.out(`${answer.name} ${what}; its VMs are dealt with by the policy ${answer.shutdownPolicy}.\n`);
    });
}
