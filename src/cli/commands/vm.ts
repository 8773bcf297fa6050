import { Option } from "@commander-js/extra-typings";
import { render } from "../../model/messages/index.ts";
import { wholeNumber } from "../numbers.ts";
import { type Cli, examples, type Group, jsonOption } from "../program.ts";
import { staleness } from "../text.ts";
import { watchTask } from "./task.ts";
import { vmCreateCommand } from "./vm-create.ts";
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
  powerCommand(vm, cli, "start", "want a VM started, and wait until it runs");
  powerCommand(vm, cli, "stop", "want a VM stopped: its guest is asked first, then QEMU is ended");
  resetCommand(vm, cli);
  deleteCommand(vm, cli);
  setCommand(vm, cli);
};

type Parent = Parameters<Group>[0];

function powerCommand(vm: Parent, cli: Cli, verb: "start" | "stop", description: string): void {
  vm.command(verb)
    .description(description)
    .argument("<vm>", "name or id")
    .option("--no-wait", "return as soon as the wish is recorded")
    .option("--timeout <seconds>", "how long to wait", wholeNumber, 300)
    .option("--json", "print the task as JSON at the end")
    .addHelpText("after", examples(`holdfast vm ${verb} web`, `holdfast vm ${verb} web --no-wait`))
    .action(async (name, options) => {
      const session = await cli.session();
      const task = await session.change((client, requestId) => client.vm[verb]({ vm: name, requestId }));
      const quiet = options.json === true;
      const seconds = options.timeout;
      const last = options.wait ? await watchTask(cli, session, task, name, { seconds, quiet }) : task;
      if (options.json === true) cli.json(last);
      else if (!options.wait) cli.io.out(`${name}: ${verb} is recorded as ${task.id}.\n`);
    });
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

function setCommand(vm: Parent, cli: Cli): void {
  vm.command("set")
    .description("change what is wanted of a VM")
    .argument("<vm>", "name or id")
    .addOption(
      new Option("--requested <state>", "the state to keep it in").choices([
        "started",
        "stopped",
        "disabled",
        "ignored",
      ] as const),
    )
    .option("--max-restart <n>", "restarts in place after a failure, before another host is tried", wholeNumber)
    .option("--max-relocate <n>", "other hosts to try after that", wholeNumber)
    .option("--stop-grace <ms>", "how long a guest may take to power off", wholeNumber)
    .option("--json", "print the answer as JSON")
    .addHelpText("after", examples("holdfast vm set web --max-restart 3", "holdfast vm set web --requested ignored"))
    .action(async (name, options) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.vm.set({
          vm: name,
          requestId,
          requested: options.requested,
          maxRestart: options.maxRestart,
          maxRelocate: options.maxRelocate,
          stopGraceMs: options.stopGrace,
        }),
      );
      if (options.json === true) cli.json(answer);
      else {
        const { requested, maxRestart, maxRelocate, stopGraceMs } = answer;
        cli.io.out(
          `${answer.name}: requested ${requested}, maxRestart ${maxRestart}, maxRelocate ${maxRelocate}, stopGraceMs ${stopGraceMs}.\n`,
        );
      }
    });
}
