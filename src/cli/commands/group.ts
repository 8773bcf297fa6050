import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { GroupOutput } from "../../api/contract/group.ts";
import { duration } from "../durations.ts";
import { wholeNumber } from "../numbers.ts";
import { acceptOption, type Cli, examples, type Group, jsonOption } from "../program.ts";
import { staleness } from "../text.ts";
import { chosenOptions, withOptions } from "./group-options.ts";
import { pointsOf, withPoints } from "./group-points.ts";
import { groupsText, groupText } from "./group-show.ts";
import { switchCommands } from "./group-switch.ts";

export const groupCommands: Group = (program, cli) => {
  const group = program.command("group").description("availability groups: VMs of one host with copies on another");
  group.addHelpText(
    "after",
    examples("holdfast group list", "holdfast group create office --from h1 --to h2 --vm web db"),
  );
  createCommand(group, cli);
  listCommand(group, cli);
  showCommand(group, cli);
  setCommand(group, cli);
  for (const one of turns) turnCommand(group, cli, one);
  switchCommands(group, cli);
  deleteCommand(group, cli);
};

type Parent = Parameters<Group>[0];

const boundHelp = "sync: for how long a write waits for a copy that does not answer, 500 to 30000 (default: 2000)";
const modeHelp =
  "sync: each write waits for the copy; async: what was written is sent every so often, and no write waits";
const everyHelp = "async: how often, 5s to 1d (default: 1m)";
const lossHelp = "async: a failover by itself may lose so much of what was written; none: only by order (default)";

const modes = { sync: "synchronous", async: "asynchronous" } as const;

function modeNamed(text: string): (typeof modes)[keyof typeof modes] {
  if (text !== "sync" && text !== "async") throw new InvalidArgumentError("Give sync or async.");
  return modes[text];
}

/** Not null: the parser of options takes that for an empty text. */
function lossNamed(text: string): number | "none" {
  return text === "none" ? text : duration(text);
}

type ModeOptions = {
  readonly mode?: ReturnType<typeof modeNamed> | undefined;
  readonly boundMs?: number | undefined;
  readonly every?: number | undefined;
  readonly allowLoss?: number | "none" | undefined;
};

function modeOf({ mode, boundMs, every, allowLoss }: ModeOptions) {
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(boundMs === undefined ? {} : { boundMs }),
    ...(every === undefined ? {} : { everyS: every / 1_000 }),
    ...(allowLoss === undefined ? {} : { lossS: allowLoss === "none" ? null : allowLoss / 1_000 }),
  };
}

function createCommand(group: Parent, cli: Cli): void {
  const command = group
    .command("create")
    .description("protect VMs by copies of their disks on another host")
    .argument("<group>", "a name for it: letters, digits, hyphens, underscores")
    .requiredOption("--from <host>", "the host that the VMs are on")
    .requiredOption("--to <host>", "the host that gets the copies")
    .requiredOption("--vm <vm...>", "VMs, by name or id; may be given several times")
    .option("--mode <mode>", modeHelp, modeNamed)
    .option("--bound-ms <ms>", boundHelp, wholeNumber)
    .option("--every <time>", everyHelp, duration)
    .option("--allow-loss <time>", lossHelp, lossNamed);
  withOptions(command)
    .option(...jsonOption)
    .addHelpText(
      "after",
      examples(
        "holdfast group create office --from h1 --to h2 --vm web db",
        "holdfast group create office --from h1 --to h2 --vm web --mode async --every 5s --allow-loss 60s",
      ),
    )
    .action(async (name, options) => {
      const { from, to, vm: vms } = options;
      const input = { group: name, from, to, vms, ...modeOf(options), ...chosenOptions(options) };
      const answer = await (await cli.session()).change((client, requestId) =>
        client.group.create({ ...input, requestId }),
      );
      show(cli, options.json, answer, `Group ${name} was created.\n`);
    });
}

function show(cli: Cli, json: boolean | undefined, answer: { readonly group: GroupOutput }, said: string): void {
  if (json === true) cli.json(answer);
  else cli.io.out(said + groupText(answer.group));
}

function listCommand(group: Parent, cli: Cli): void {
  group
    .command("list")
    .description("all groups, and how they are")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast group list", "holdfast group list --json"))
    .action(async (options) => {
      const answer = await (await cli.session()).call((client) => client.group.list());
      if (options.json === true) cli.json(answer);
      else cli.io.out(staleness(answer.asOfMs) + groupsText(answer.groups));
    });
}

function showCommand(group: Parent, cli: Cli): void {
  group
    .command("show")
    .description("one group: its VMs, what their copies have, and what is at risk")
    .argument("<group>", "its name")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast group show office"))
    .action(async (name, options) => {
      const answer = await (await cli.session()).call((client) => client.group.show({ group: name }));
      show(cli, options.json, answer, staleness(answer.asOfMs));
    });
}

function setCommand(group: Parent, cli: Cli): void {
  const command = group
    .command("set")
    .description("take VMs in or out, change how they are copied, or say when there are recovery points")
    .argument("<group>", "its name")
    .option("--add-vm <vm...>", "VMs to protect as well")
    .option("--remove-vm <vm...>", "VMs to protect no more")
    .option("--mode <mode>", modeHelp, modeNamed)
    .option("--bound-ms <ms>", boundHelp, wholeNumber)
    .option("--every <time>", everyHelp, duration)
    .option("--allow-loss <time>", lossHelp, lossNamed);
  withOptions(withPoints(command))
    .option(...acceptOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      examples(
        "holdfast group set office --add-vm mail",
        "holdfast group set office --remove-vm mail --accept",
        "holdfast group set office --mode async --every 15m",
        "holdfast group set office --points-every 15m --keep 24x1h,7x1d",
        "holdfast group set office --test-every 1d --test-http /",
        "holdfast group set office --quota 50G --resume manual",
      ),
    )
    .action(async (name, options) => {
      const { addVm: addVms, removeVm: removeVms } = options;
      const input = {
        group: name,
        ...(addVms === undefined ? {} : { addVms }),
        ...(removeVms === undefined ? {} : { removeVms }),
        accept: options.accept,
        ...modeOf(options),
        ...pointsOf(options),
        ...chosenOptions(options),
      };
      const answer = await (await cli.session()).change((client, requestId) =>
        client.group.set({ ...input, requestId }),
      );
      show(cli, options.json, answer, `Group ${name} was changed.\n`);
    });
}

const turns = [
  { verb: "pause", done: "was paused", what: "copy nothing until it is resumed; the VMs go on without their copies" },
  { verb: "resume", done: "was resumed", what: "copy again, beginning with what is missing" },
] as const;

function turnCommand(group: Parent, cli: Cli, { verb, done, what }: (typeof turns)[number]): void {
  group
    .command(verb)
    .description(what)
    .argument("<group>", "its name")
    .option(...jsonOption)
    .addHelpText("after", examples(`holdfast group ${verb} office`))
    .action(async (name, options) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.group[verb]({ group: name, requestId }),
      );
      show(cli, options.json, answer, `Group ${name} ${done}.\n`);
    });
}

function deleteCommand(group: Parent, cli: Cli): void {
  group
    .command("delete")
    .description("end the protection; where there are copies, say what becomes of them")
    .argument("<group>", "its name")
    .addOption(
      new Option(
        "--replicas <what>",
        "keep their images in the pool, or remove them with their recovery points",
      ).choices(["keep", "remove"] as const),
    )
    .option(...acceptOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      examples(
        "holdfast group delete office --replicas keep",
        "holdfast group delete office --replicas remove --accept",
      ),
    )
    .action(async (name, { replicas, accept, json }) => {
      const input = { group: name, accept, ...(replicas === undefined ? {} : { replicas }) };
      const answer = await (await cli.session()).change((client, requestId) =>
        client.group.delete({ ...input, requestId }),
      );
      const ends =
        replicas === "remove" ? " Its copies go as soon as their host is there: `holdfast log` tells when." : "";
      if (json === true) cli.json(answer);
      else cli.io.out(`Group ${answer.name} was deleted; its VMs are not protected any more.${ends}\n`);
    });
}
