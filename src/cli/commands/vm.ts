import { render } from "../../model/messages/index.ts";
import { secondsToMs, wholeNumber } from "../numbers.ts";
import { type Cli, examples, type Group, jsonOption } from "../program.ts";
import type { Session } from "../session.ts";
import { staleness } from "../text.ts";
import { bearsLessText, followTask, noteText, waitDefaults } from "./task.ts";
import { vmCreateCommand } from "./vm-create.ts";
import { vmSetCommand } from "./vm-set.ts";
import { vmTable, vmText } from "./vm-show.ts";

export const vmCommands: Group = (program, cli) => {
  const vm = program.command("vm").description("virtual machines");
  vm.addHelpText("after", examples("holdfast vm list", "holdfast vm start web"));
  vmCreateCommand(vm, cli);
  vm.command("list")
    .description("all VMs: what is wanted, what they do, where")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast vm list", "holdfast vm list --json"))
    .action(async (options) => {
      const answer = await (await cli.session()).call((client) => client.vm.list());
      if (options.json === true) cli.json(answer);
      else cli.io.out(staleness(answer.asOfMs) + (answer.vms.length === 0 ? "No VMs.\n" : vmTable(answer.vms)));
    });
  vm.command("show")
    .description("one VM with its disks, networks, limits and open tasks")
    .argument("<vm>", "name or id")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast vm show web", "holdfast vm show vm:a1b2c3 --json"))
    .action(async (name, options) => {
      const answer = await (await cli.session()).call((client) => client.vm.show({ vm: name }));
      if (options.json === true) cli.json(answer);
      else cli.io.out(staleness(answer.asOfMs) + vmText(answer.vm));
    });
  startCommand(vm, cli);
  stopCommand(vm, cli);
  moveCommand(
    vm,
    cli,
    "migrate",
    "move a VM to another host while it runs; refused where it would have to be stopped for that. One that does not run changes its place",
  );
  moveCommand(vm, cli, "relocate", "stop a VM, and start it on another host");
  cancelMoveCommand(vm, cli);
  resetCommand(vm, cli);
  deleteCommand(vm, cli);
  vmSetCommand(vm, cli);
};

type Parent = Parameters<Group>[0];

function startCommand(vm: Parent, cli: Cli): void {
  vm.command("start")
    .description("want a VM started, and wait until it runs")
    .argument("<vm>", "name or id")
    .option("--no-wait", "return as soon as the wish is recorded")
    .option(
      "--timeout <seconds>",
      `how long to wait (default: ${waitDefaults.seconds}; ${waitDefaults.standsSeconds} as long as no host takes it)`,
      wholeNumber,
    )
    .option("--json", "print the task as JSON at the end")
    .addHelpText("after", examples("holdfast vm start web", "holdfast vm start web --no-wait"))
    .action(async (name, options) => {
      const session = await cli.session();
      const task = await session.change((client, requestId) => client.vm.start({ vm: name, requestId }));
      if (options.json !== true) cli.io.err(bearsLessText(task.bearsLess));
      await followTask(cli, session, task, { ...options, name, verb: "start" });
    });
}

function stopCommand(vm: Parent, cli: Cli): void {
  vm.command("stop")
    .description("want a VM stopped: its guest is asked first, then QEMU is ended")
    .argument("<vm>", "name or id")
    .option("--grace <seconds>", "how long its guest may take this time; 0: it is not asked", wholeNumber)
    .option("--no-wait", "return as soon as the wish is recorded")
    .option("--timeout <seconds>", "how long to wait", wholeNumber, 300)
    .option("--json", "print the task as JSON at the end")
    .addHelpText("after", examples("holdfast vm stop web", "holdfast vm stop web --grace 0"))
    .action(async (name, options) => {
      const session = await cli.session();
      const graceMs = secondsToMs(options.grace);
      const task = await session.change((client, requestId) => client.vm.stop({ vm: name, graceMs, requestId }));
      await followTask(cli, session, task, { ...options, name, verb: "stop" });
    });
}

function moveCommand(vm: Parent, cli: Cli, verb: "migrate" | "relocate", description: string): void {
  vm.command(verb)
    .description(description)
    .argument("<vm>", "name or id")
    .argument("<host>", "where it is to run: name or id")
    .option("--force", "also to a host that its rules would have it leave at once")
    .option("--no-wait", "return as soon as the order is recorded")
    .option("--timeout <seconds>", "how long to wait", wholeNumber, 300)
    .option("--json", "print the task as JSON at the end")
    .addHelpText("after", examples(`holdfast vm ${verb} web h2`, `holdfast vm ${verb} web h2 --no-wait`))
    .action(async (name, host, options) => {
      const session = await cli.session();
      const force = options.force === true;
      const task = await session.change((client, requestId) =>
        client.vm[verb]({ vm: name, to: host, force, requestId }),
      );
      if (task.unseen !== null && options.json !== true) cli.io.err(noteText(task.unseen));
      await followTask(cli, session, task, { ...options, name, verb });
    });
}

function cancelMoveCommand(vm: Parent, cli: Cli): void {
  vm.command("cancel-move")
    .description("call a VM's move off, any time before it has changed hands: it goes on where it is")
    .argument("<vm>", "name or id")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", examples("holdfast vm cancel-move web"))
    .action(async (name, options) => {
      const session = await cli.session();
      const answer = await session.change((client, requestId) => client.vm.cancelMove({ vm: name, requestId }));
      if (options.json === true) cli.json(answer);
      else cli.io.out(`${answer.name}: the move is called off.\n${await whetherAgain(session, answer.name)}`);
    });
}

/** Where its host is to be empty it goes again by itself: whoever called its move off has to hear that, and what ends it. */
async function whetherAgain(session: Session, name: string): Promise<string> {
  const { vm } = await session.call((client) => client.vm.show({ vm: name }));
  const { host } = vm;
  if (host === null) return "";
  const { host: from } = await session.call((client) => client.host.show({ host }));
  if (from.maintenance === null) return "";
  return `${host} is in maintenance, so ${name} is moved away again by itself, in about 10 s. To keep it there: holdfast host release ${host}\n`;
}

function resetCommand(vm: Parent, cli: Cli): void {
  vm.command("reset")
    .description("press a VM's reset button; its guest is not asked")
    .argument("<vm>", "name or id")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", examples("holdfast vm reset web"))
    .action(async (name, options) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.vm.reset({ vm: name, requestId }),
      );
      if (options.json === true) cli.json(answer);
      else cli.io.out(`${answer.name} was reset.\n`);
    });
}

function deleteCommand(vm: Parent, cli: Cli): void {
  vm.command("delete")
    .description("remove a stopped VM and its disks; there is no way back")
    .argument("<vm>", "name or id")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", examples("holdfast vm delete web", "holdfast vm stop web && holdfast vm delete web"))
    .action(async (name, options) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.vm.delete({ vm: name, requestId }),
      );
      if (options.json === true) {
        cli.json(answer);
        return;
      }
      cli.io.out(`${answer.name} (${answer.id}) was deleted.\n`);
      for (const { kept } of answer.volumes) {
        if (kept === null) continue;
        const { cause, effect, remedy } = render(kept.code, kept.params);
        cli.io.err(`${cause} ${effect ?? ""} ${remedy ?? ""}\n`);
      }
    });
}
