import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { PolicyOutput, PolicyPatchInput } from "../../api/contract/policy.ts";
import { decimal, secondsToMs, wholeNumber } from "../numbers.ts";
import { acceptOption, type Cli, examples, type Group, jsonOption } from "../program.ts";
import { checksText, counted, fields, staleness } from "../text.ts";
import { bearsLessText } from "./task.ts";

export const policyCommands: Group = (program, cli) => {
  const policy = program.command("policy").description("what holds for the whole cluster");
  policy.addHelpText("after", examples("holdfast policy show", "holdfast policy set --shutdown-policy migrate"));
  policy
    .command("show")
    .description("all settings of the policy")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast policy show", "holdfast policy show --json"))
    .action(async (options) => {
      const answer = await (await cli.session()).call((client) => client.policy.show());
      if (options.json === true) cli.json(answer);
      else cli.io.out(staleness(answer.asOfMs) + policyText(answer.policy) + checksText(answer.warnings));
    });
  setCommand(policy, cli);
};

const onOff = ["on", "off"] as const;

const holdOption = new Option(
  "--hold <seconds>",
  "how long the imbalance must have lasted, from the look that saw it first; looked at every 10 s",
).argParser(wholeNumber);
const linksOption = new Option(
  "--migration-links <links>",
  "links of the hosts, by their kinds or subnets as `host show` lists them, in the order in which they are tried, no others, with commas; `default`: the usual order",
).argParser(linkList);
const bandwidthOption = new Option("--migration-bandwidth <MiB/s>", "of each move; 0: what the link bears").argParser(
  wholeNumber,
);
const downtimeOption = new Option(
  "--migration-downtime <ms>",
  "for how long a guest may stand still for what is copied last",
).argParser(wholeNumber);

function setCommand(policy: Parameters<Group>[0], cli: Cli): void {
  policy
    .command("set")
    .description("change settings; what is not named stays as it is")
    .addOption(
      new Option("--shutdown-policy <policy>", "VMs of a host that is shut down or rebooted in order").choices([
        "conditional",
        "freeze",
        "failover",
        "migrate",
      ] as const),
    )
    .addOption(
      new Option("--scheduler <mode>", "how the best host is found: number of VMs, their sizes, measured use").choices([
        "basic",
        "static",
        "dynamic",
      ] as const),
    )
    .addOption(new Option("--rebalance-on-start <on|off>", "start VMs on the best host").choices(onOff))
    .addOption(
      new Option("--auto-rebalance <on|off>", "move VMs off loaded hosts; needs static or dynamic").choices(onOff),
    )
    .addOption(new Option("--method <method>", "how the move is chosen").choices(["bruteforce", "topsis"] as const))
    .option("--threshold <n>", "imbalance above which a move is looked for, such as 0.3", decimal)
    .addOption(holdOption)
    .option("--margin <n>", "part of the imbalance that a move must take away, such as 0.1", decimal)
    .option(
      "--quarantine-losses <n>",
      "losses within the window after which a host gets no new VMs; 0: never",
      wholeNumber,
    )
    .option("--quarantine-window <seconds>", "the window", wholeNumber)
    .option("--quarantine-hold <seconds>", "how long it gets none", wholeNumber)
    .option("--wanted-host-losses <n>", "warn where the cluster bears fewer losses of hosts than this", wholeNumber)
    .option("--move-attempts <n>", "give a move up after that many failures in a row", wholeNumber)
    .option("--moves-per-host <n>", "guests that leave or reach a host at a time while they run", wholeNumber)
    .addOption(
      new Option("--return-after-maintenance <when>", "whether VMs go back, or only those with failback").choices([
        "always",
        "as-failback",
      ] as const),
    )
    .addOption(linksOption)
    .addOption(bandwidthOption)
    .addOption(downtimeOption)
    .addOption(new Option("--migration-tls <on|off>", "off only for a direct cable").choices(onOff))
    .option("--host-reserve <MiB>", "memory that is kept for each host itself", wholeNumber)
    .option(...acceptOption)
    .option("--json", "print the policy as JSON")
    .addHelpText(
      "after",
      examples(
        "holdfast policy set --shutdown-policy migrate",
        "holdfast policy set --scheduler dynamic --auto-rebalance on --threshold 0.2 --hold 60",
        "holdfast policy set --quarantine-losses 5 --quarantine-hold 3600",
        "holdfast policy set --migration-links migration,10.0.2.0/24 --migration-bandwidth 400",
      ),
    )
    .action(async ({ json, accept, ...options }) => {
      const [patch, session] = [patchFrom(options), await cli.session()];
      const answer = await session.change((client, requestId) => client.policy.set({ ...patch, accept, requestId }));
      if (json === true) return cli.json(answer);
      cli.io.out(policyText(answer));
      cli.io.err(reserveText(answer) + bearsLessText(answer.bearsLess));
      if (patch.migration === undefined) return;
      const { warnings } = await session.call((client) => client.policy.show());
      cli.io.err(checksText(warnings));
    });
}

function reserveText({ reserveIgnoredBy: hosts }: { readonly reserveIgnoredBy: readonly string[] }): string {
  if (hosts.length === 0) return "";
  return `The reserve changes nothing on ${hosts.join(", ")}: the configuration there names the memory for VMs.\n`;
}

type Options = {
  readonly shutdownPolicy?: PolicyOutput["shutdownPolicy"];
  readonly scheduler?: PolicyOutput["scheduler"]["mode"];
  readonly rebalanceOnStart?: "on" | "off";
  readonly autoRebalance?: "on" | "off";
  readonly method?: PolicyOutput["scheduler"]["autoRebalance"]["method"];
  readonly threshold?: number;
  readonly hold?: number;
  readonly margin?: number;
  readonly quarantineLosses?: number;
  readonly quarantineWindow?: number;
  readonly quarantineHold?: number;
  readonly wantedHostLosses?: number;
  readonly moveAttempts?: number;
  readonly movesPerHost?: number;
  readonly migrationLinks?: string[];
  readonly migrationBandwidth?: number;
  readonly migrationDowntime?: number;
  readonly migrationTls?: "on" | "off";
  readonly returnAfterMaintenance?: PolicyOutput["returnAfterMaintenance"];
  readonly hostReserve?: number;
};

function patchFrom(options: Options): PolicyPatchInput {
  return {
    hostReserveMiB: options.hostReserve,
    shutdownPolicy: options.shutdownPolicy,
    scheduler: {
      mode: options.scheduler,
      rebalanceOnStart: isOn(options.rebalanceOnStart),
      autoRebalance: {
        enabled: isOn(options.autoRebalance),
        method: options.method,
        threshold: options.threshold,
        holdMs: secondsToMs(options.hold),
        margin: options.margin,
      },
    },
    quarantine: {
      losses: options.quarantineLosses,
      windowMs: secondsToMs(options.quarantineWindow),
      holdMs: secondsToMs(options.quarantineHold),
    },
    wantedHostLosses: options.wantedHostLosses,
    moveAttemptsMax: options.moveAttempts,
    movesPerHostMax: options.movesPerHost,
    migration: migrationFrom(options),
    returnAfterMaintenance: options.returnAfterMaintenance,
  };
}

function migrationFrom(options: Options): PolicyPatchInput["migration"] {
  const { migrationLinks: links, migrationBandwidth: bandwidth, migrationDowntime: downtimeMs } = options;
  const tls = isOn(options.migrationTls);
  if ([links, bandwidth, downtimeMs, tls].every((one) => one === undefined)) return undefined;
  return { links, bandwidthMiBps: bandwidth === 0 ? null : bandwidth, downtimeMs, tls };
}

function linkList(text: string): string[] {
  const links = text.split(",").map((link) => link.trim());
  if (links.includes("")) throw new InvalidArgumentError("Give names with a comma between each two.");
  return links.length === 1 && links[0] === "default" ? [] : links;
}

function isOn(text: "on" | "off" | undefined): boolean | undefined {
  return text === undefined ? undefined : text === "on";
}

function policyText(policy: PolicyOutput): string {
  const { mode, rebalanceOnStart, autoRebalance } = policy.scheduler;
  const { losses, windowMs, holdMs } = policy.quarantine;
  const { links, bandwidthMiBps, downtimeMs, tls } = policy.migration;
  const word = (on: boolean) => (on ? "on" : "off");
  const rebalancing = `${word(autoRebalance.enabled)}; ${autoRebalance.method}, threshold ${autoRebalance.threshold}, hold ${autoRebalance.holdMs / 1_000} s, margin ${autoRebalance.margin}`;
  const quarantine = `after ${counted(losses, "loss", "losses")} within ${windowMs / 1_000} s, for ${holdMs / 1_000} s`;
  return fields([
    ["Shutdown policy", policy.shutdownPolicy],
    ["Scheduler", mode],
    ["Rebalance on start", word(rebalanceOnStart)],
    ["Auto-rebalance", rebalancing],
    ["Quarantine", losses === 0 ? "never" : quarantine],
    ["Wanted host losses", String(policy.wantedHostLosses)],
    ["Move attempts", String(policy.moveAttemptsMax)],
    ["Moves per host", String(policy.movesPerHostMax)],
    ["Migration links", links.join(", then ") || "default: without a default gateway first, the cluster's own last"],
    ["Migration bandwidth", bandwidthMiBps === null ? "what the link bears" : `${bandwidthMiBps} MiB/s for each move`],
    ["Migration downtime", `${downtimeMs} ms wished`],
    ["Migration TLS", word(tls)],
    ["Return after maintenance", policy.returnAfterMaintenance],
    ["Host reserve", `${policy.hostReserveMiB} MiB`],
  ]);
}
