import type { RuleAddInput } from "../../api/contract/rule.ts";
import type { Reason } from "../../model/reason.ts";
import { acceptOption, type Cli, examples, type Group, jsonOption } from "../program.ts";
import { staleness } from "../text.ts";
import { fail } from "../trouble.ts";
import { rulesText, ruleText } from "./rule-show.ts";
import { bearsLessText } from "./task.ts";

export const ruleCommands: Group = (program, cli) => {
  const rule = program.command("rule").description("rules on where VMs run: on which hosts, together, apart");
  rule.addHelpText(
    "after",
    examples(
      "holdfast rule list",
      "holdfast rule add web-apart --apart --vm web1 web2",
      "holdfast rule add db-near --host h1:2 h2:1 --vm db",
    ),
  );
  addCommand(rule, cli);
  listCommand(rule, cli);
  showCommand(rule, cli);
  setCommand(rule, cli);
  removeCommand(rule, cli);
};

type Parent = Parameters<Group>[0];
type HostWish = { readonly host: string; readonly priority?: number };

const vmHelp = "by name or id; may be given several times";
const hostHelp = "HOST or HOST:PRIORITY, the larger the better (default: 0); may be given several times";

function addCommand(rule: Parent, cli: Cli): void {
  rule
    .command("add")
    .description("add a rule; refused, with the reason, where it could not be followed")
    .argument("<rule>", "a name for it: letters, digits, hyphens, underscores")
    .option("--vm <vm...>", `VMs that it is for, ${vmHelp}`)
    .option("--together", "keep the VMs on one host")
    .option("--apart", "keep each of the VMs on another host")
    .option("--host <host...>", `run the VMs on these hosts: ${hostHelp}`)
    .option("--strict", "with --host: on no other host, even if none of these is there")
    .option("--comment <text>", "why it is there, for whoever reads it later")
    .option("--disabled", "keep it without following it")
    .option(...acceptOption)
    .option("--json", "print the rule as JSON")
    .addHelpText(
      "after",
      examples(
        "holdfast rule add web-apart --apart --vm web1 web2 web3",
        "holdfast rule add shop --together --vm app cache --comment 'they talk a lot'",
        "holdfast rule add licence --host h1 h2 --strict --vm db",
        "holdfast rule add fast-first --host h1:2 h2:1 --vm db",
      ),
    )
    .action(async (name, options) => {
      const input = additionFrom(name, options);
      const answer = await (await cli.session()).change((client, requestId) =>
        client.rule.add({ ...input, accept: options.accept, requestId }),
      );
      tellCost(cli, options, answer);
      if (options.json === true) cli.json(answer);
      else cli.io.out(`Rule ${answer.rule.id} was added.\n${ruleText(answer.rule)}`);
    });
}

type Addition = {
  readonly vm?: string[];
  readonly together?: true;
  readonly apart?: true;
  readonly host?: string[];
  readonly strict?: true;
  readonly comment?: string;
  readonly disabled?: true;
};

function additionFrom(rule: string, options: Addition): RuleAddInput {
  const { vm: vms, host, strict, comment } = options;
  if (vms === undefined) throw fail("option-missing", { option: "--vm" }, 2);
  const affinity = affinityFrom(options);
  if (affinity !== undefined && host !== undefined) {
    throw fail("options-contradict", { option: `--${affinity}`, other: "--host" }, 2);
  }
  const common = { rule, vms, enabled: options.disabled !== true, ...(comment === undefined ? {} : { comment }) };
  if (host !== undefined) {
    return { ...common, kind: "host-affinity", hosts: hostsFrom(host), strict: strict === true };
  }
  if (affinity === undefined) throw fail("option-missing", { option: "--together, --apart or --host" }, 2);
  if (strict === true) throw fail("options-belong-together", { option: "--strict", other: "--host" }, 2);
  return { ...common, kind: "vm-affinity", affinity };
}

function affinityFrom(options: Pick<Addition, "together" | "apart">): "together" | "apart" | undefined {
  if (options.together === true && options.apart === true) {
    throw fail("options-contradict", { option: "--together", other: "--apart" }, 2);
  }
  if (options.together === true) return "together";
  return options.apart === true ? "apart" : undefined;
}

function hostsFrom(texts: readonly string[]): HostWish[] {
  return texts.map((text) => {
    const [, host, priority] = /^([^:]+)(?::(\d{1,4}))?$/u.exec(text) ?? [];
    if (host === undefined) throw fail("option-needs-host", { value: text }, 2);
    return { host, ...(priority === undefined ? {} : { priority: Number(priority) }) };
  });
}

function listCommand(rule: Parent, cli: Cli): void {
  rule
    .command("list")
    .description("all rules, and why those that fail are not followed")
    .option("--vm <vm>", "only rules that bind this VM, also by VMs that it has to be together with")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast rule list", "holdfast rule list --vm web", "holdfast rule list --json"))
    .action(async (options) => {
      const answer = await (await cli.session()).call((client) => client.rule.list({ vm: options.vm }));
      if (options.json === true) cli.json(answer);
      else cli.io.out(staleness(answer.asOfMs) + (answer.rules.length === 0 ? "No rules.\n" : rulesText(answer.rules)));
    });
}

function showCommand(rule: Parent, cli: Cli): void {
  rule
    .command("show")
    .description("one rule with all its VMs, and why it fails if it does")
    .argument("<rule>", "its name")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast rule show web-apart", "holdfast rule show web-apart --json"))
    .action(async (name, options) => {
      const answer = await (await cli.session()).call((client) => client.rule.show({ rule: name }));
      if (options.json === true) cli.json(answer);
      else cli.io.out(staleness(answer.asOfMs) + ruleText(answer.rule));
    });
}

function setCommand(rule: Parent, cli: Cli): void {
  rule
    .command("set")
    .description("change a rule; refused, with the reason, where it or another rule could not be followed")
    .argument("<rule>", "its name")
    .option("--enable", "follow it")
    .option("--disable", "keep it without following it")
    .option("--vm <vm...>", `all its VMs anew, ${vmHelp}`)
    .option("--add-vm <vm...>", "VMs that come to it")
    .option("--remove-vm <vm...>", "VMs that leave it")
    .option("--host <host...>", `all its hosts anew: ${hostHelp}`)
    .option("--strict", "on no other host, even if none of these is there")
    .option("--no-strict", "other hosts come last, but they come")
    .option("--together", "keep its VMs on one host")
    .option("--apart", "keep each of its VMs on another host")
    .option("--comment <text>", "why it is there")
    .option(...acceptOption)
    .option("--json", "print the rule as JSON")
    .addHelpText(
      "after",
      examples(
        "holdfast rule set web-apart --add-vm web4",
        "holdfast rule set licence --host h1 h3 --strict",
        "holdfast rule set shop --disable",
      ),
    )
    .action(async (name, options) => {
      if (options.enable === true && options.disable === true) {
        throw fail("options-contradict", { option: "--enable", other: "--disable" }, 2);
      }
      const answer = await (await cli.session()).change((client, requestId) =>
        client.rule.set({
          rule: name,
          requestId,
          enabled: options.enable ?? (options.disable === true ? false : undefined),
          comment: options.comment,
          vms: options.vm,
          addVms: options.addVm,
          removeVms: options.removeVm,
          hosts: options.host === undefined ? undefined : hostsFrom(options.host),
          strict: options.strict,
          affinity: affinityFrom(options),
          accept: options.accept,
        }),
      );
      tellCost(cli, options, answer);
      if (options.json === true) cli.json(answer);
      else cli.io.out(ruleText(answer.rule));
    });
}

function removeCommand(rule: Parent, cli: Cli): void {
  rule
    .command("remove")
    .description("remove a rule; its VMs stay where they are until something else moves them")
    .argument("<rule>", "its name")
    .option(...acceptOption)
    .option("--json", "print the answer as JSON")
    .addHelpText("after", examples("holdfast rule remove web-apart"))
    .action(async (name, options) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.rule.remove({ rule: name, accept: options.accept, requestId }),
      );
      tellCost(cli, options, answer);
      if (options.json === true) cli.json(answer);
      else cli.io.out(`Rule ${answer.id} was removed.\n`);
    });
}

/** A VM that was down starts by it: what that costs is said beside it. */
function tellCost(
  cli: Cli,
  { json }: { readonly json?: true | undefined },
  { bearsLess }: { readonly bearsLess: Reason | null },
): void {
  if (json !== true) cli.io.err(bearsLessText(bearsLess));
}
