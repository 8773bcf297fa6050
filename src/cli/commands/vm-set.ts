import { Option } from "@commander-js/extra-typings";
import { secondsToMs, signedNumber, wholeNumber } from "../numbers.ts";
import { acceptOption, type Cli, examples, type Group } from "../program.ts";
import { fail } from "../trouble.ts";
import { bearsLessText, noteText } from "./task.ts";

const states = ["started", "stopped", "disabled", "ignored", "enabled"] as const;
type State = (typeof states)[number];

export function vmSetCommand(vm: Parameters<Group>[0], cli: Cli): void {
  vm.command("set")
    .description("change what is wanted of a VM; a VM in error takes only --state disabled")
    .argument("<vm>", "name or id")
    .addOption(new Option("--state <state>", "the state to keep it in; enabled means started").choices(states))
    .addOption(new Option("--requested <state>", "another word for --state").choices(states).hideHelp())
    .option("--max-restart <n>", "restarts in place after a failure, before another host is tried", wholeNumber)
    .option("--max-relocate <n>", "other hosts to try after that", wholeNumber)
    .addOption(
      new Option("--failback <on|off>", "go back to a better host when it returns").choices(["on", "off"] as const),
    )
    .option("--start-priority <n>", "in a recovery of many the larger first (-1000 to 1000)", signedNumber)
    .option("--start-delay <seconds>", "how long VMs of lower priority wait once this one runs", wholeNumber)
    .option("--stop-grace <seconds>", "how long its guest may take to power off", wholeNumber)
    .option("--cpus <n>", "virtual CPUs, while it is stopped", wholeNumber)
    .option("--memory <MiB>", "memory, while it is stopped", wholeNumber)
    .option("--cpu-model <model>", "what the guest sees, as for `vm create`; while it is stopped")
    .option("--unlock", "take away the lock of work that is known to be dead")
    .option(...acceptOption)
    .option("--json", "print the answer as JSON")
    .addHelpText(
      "after",
      examples(
        "holdfast vm set web --state ignored",
        "holdfast vm set web --max-restart 3 --max-relocate 1",
        "holdfast vm set db --start-priority 10 --start-delay 30",
        "holdfast vm set web --state disabled   (clears an error)",
        "holdfast vm set web --memory 1024",
        "holdfast vm set web --cpu-model compatible",
        "holdfast vm set web --unlock",
      ),
    )
    .action(async (name, options) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.vm.set({
          vm: name,
          requestId,
          requested: stateFrom(options.state, options.requested),
          maxRestart: options.maxRestart,
          maxRelocate: options.maxRelocate,
          stopGraceMs: secondsToMs(options.stopGrace),
          failback: options.failback === undefined ? undefined : options.failback === "on",
          startPriority: options.startPriority,
          startDelayMs: secondsToMs(options.startDelay),
          cpus: options.cpus,
          memoryMiB: options.memory,
          cpuModel: options.cpuModel,
          unlock: options.unlock,
          accept: options.accept,
        }),
      );
      if (options.json === true) {
        cli.json(answer);
        return;
      }
      const { name: vmName, requested, maxRestart, maxRelocate, failback, startPriority, moveVoided } = answer;
      const size = `cpus ${answer.cpus}, memory ${answer.memoryMiB} MiB, cpu-model ${answer.cpuModel}`;
      const seconds = `stop-grace ${answer.stopGraceMs / 1_000} s, start-delay ${answer.startDelayMs / 1_000} s`;
      cli.io.out(
        `${vmName}: state ${requested}, max-restart ${maxRestart}, max-relocate ${maxRelocate}, ${seconds}, failback ${failback ? "on" : "off"}, start-priority ${startPriority}, ${size}.\n`,
      );
      cli.io.err(bearsLessText(answer.bearsLess));
      // A daemon of an older version says nothing of it.
      if (typeof moveVoided !== "string") return;
      cli.io.err(noteText({ code: "move-voided-by-ignoring", params: { vm: vmName, host: moveVoided } }));
    });
}

function stateFrom(state: State | undefined, requested: State | undefined): State | undefined {
  if (state !== undefined && requested !== undefined && state !== requested) {
    throw fail("options-contradict", { option: `--state ${state}`, other: `--requested ${requested}` }, 2);
  }
  return state ?? requested;
}
