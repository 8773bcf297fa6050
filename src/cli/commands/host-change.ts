import { type Cli, examples, type Group } from "../program.ts";

type Parent = Parameters<Group>[0];

export function hostChangeCommands(host: Parent, cli: Cli): void {
  host
    .command("maintenance")
    .description("have all VMs leave a host, and let none come, until it is released; a reboot does not end it")
    .argument("<host>", "name or id")
    .option("--reason <text>", "why: shown to everybody", "")
    .option("--json", "print the answer as JSON")
    .addHelpText(
      "after",
      examples("holdfast host maintenance h1", 'holdfast host maintenance h1 --reason "new memory"'),
    )
    .action(async (name, { json, reason }) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.host.maintenance({ host: name, reason, requestId }),
      );
      const rest = answer.vms === 0 ? "it holds no VMs" : `the VMs that it holds now (${answer.vms}) leave`;
      if (json === true) cli.json(answer);
      else cli.io.out(`${answer.name} is in maintenance: ${rest}. End it with: holdfast host release ${answer.name}\n`);
    });
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
      else cli.io.out(`${answer.name} takes VMs again.\n`);
    });
  leaveCommand(host, cli, "shutdown", "switch a host off in order; the shutdown policy says what becomes of its VMs");
  leaveCommand(host, cli, "reboot", "reboot a host in order; the shutdown policy says what becomes of its VMs");
}

function leaveCommand(host: Parent, cli: Cli, verb: "shutdown" | "reboot", description: string): void {
  host
    .command(verb)
    .description(description)
    .argument("<host>", "name or id")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", examples(`holdfast host ${verb} h1`, `holdfast policy show && holdfast host ${verb} h1`))
    .action(async (name, { json }) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.host[verb]({ host: name, requestId }),
      );
      const what = verb === "reboot" ? "reboots" : "switches itself off";
      if (json === true) cli.json(answer);
      else cli.io.out(`${answer.name} ${what}; its VMs are dealt with by the policy ${answer.shutdownPolicy}.\n`);
    });
}
