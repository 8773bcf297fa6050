import type { ForecastOutput, ForeseenOutput } from "../../api/contract/whatif.ts";
import { compareNatural } from "../../base/order.ts";
import { render } from "../../model/messages/index.ts";
import type { Reason } from "../../model/reason.ts";
import { type Cli, examples, type Group, jsonOption } from "../program.ts";
import type { Session } from "../session.ts";
import { staleness, table } from "../text.ts";

export const whatifCommands: Group = (program, cli) => {
  const whatif = program
    .command("whatif")
    .description("what would happen to each VM now, worked out by the manager's own decisions; nothing is touched");
  whatif.addHelpText(
    "after",
    examples("holdfast whatif host-loss h1", "holdfast whatif link-loss management", "holdfast whatif maintenance h2"),
  );
  question(whatif, cli, {
    name: "host-loss",
    argument: ["<host>", "name or id"],
    description: "a host loses its power, or is cut off",
    line: "holdfast whatif host-loss h1",
    ask: (session, host) => session.call((client) => client.whatif.hostLoss({ host })),
  });
  question(whatif, cli, {
    name: "link-loss",
    argument: ["<link>", "kind of link or subnet; HOST:LINK for the connection of one host"],
    description: "a link fails, for all hosts or for one",
    line: "holdfast whatif link-loss h1:management",
    ask: (session, link) => session.call((client) => client.whatif.linkLoss({ link })),
  });
  question(whatif, cli, {
    name: "maintenance",
    argument: ["<host>", "name or id"],
    description: "all VMs are to leave a host",
    line: "holdfast whatif maintenance h1",
    ask: (session, host) => session.call((client) => client.whatif.maintenance({ host })),
  });
};

type Question = {
  readonly name: string;
  readonly argument: readonly [string, string];
  readonly description: string;
  readonly line: string;
  readonly ask: (session: Session, about: string) => Promise<ForecastOutput>;
};

function question(whatif: Parameters<Group>[0], cli: Cli, { name, argument, description, line, ask }: Question): void {
  whatif
    .command(name)
    .description(description)
    .argument(...argument)
    .option(...jsonOption)
    .addHelpText("after", examples(line, `${line} --json`))
    .action(async (about: unknown, { json }) => {
      const answer = await ask(await cli.session(), String(about));
      if (json === true) cli.json(answer);
      else cli.io.out(staleness(answer.asOfMs) + forecastText(answer));
    });
}

/** What happens to the cluster, to each VM, and on what its seconds rest. */
export function forecastText({ course, vms: foreseen, steps, bandwidthMiBps }: ForecastOutput): string {
  const vms = [...foreseen].sort(byName);
  const told = course.map((why) => `${sentence(why)}\n`).join("");
  const isTold = course.some(({ code }) => code === "forecast-without-copies");
  if (vms.length === 0) return `${told}Nothing ${isTold ? "else " : ""}happens to any VM.\n`;
  const rows = vms.map((vm) => [
    vm.name,
    orNone(vm.from),
    orNone(vm.to),
    vm.via === null ? vm.becomes : `${vm.becomes} on from ${vm.via}`,
    seconds(vm.afterMs),
    seconds(vm.downMs),
  ]);
  const reasons = vms.filter(isExplained).map(troubleText);
  const lost = new Set(vms.flatMap(({ loses, name }) => (loses === null ? [] : [`${name}: ${sentence(loses)}\n`])));
  return [
    told,
    table(["VM", "FROM", "TO", "WHAT", "AFTER", "DOWN"], rows),
    ...reasons,
    stoppedFirstText(vms),
    ...vms.flatMap(({ unseen }) => (unseen === null ? [] : [`\n${sentence(unseen)}\n`])),
    ...(lost.size === 0 ? [] : ["\nLost:\n", ...lost]),
    vms.some(({ afterMs }) => afterMs !== null) ? `\n${basisText({ steps, bandwidthMiBps })}` : "",
  ].join("");
}

/** As people look for them, and `vm list` has them. */
function byName(a: ForeseenOutput, b: ForeseenOutput): number {
  return compareNatural(a.name, b.name);
}

function stoppedFirstText(vms: readonly ForeseenOutput[]): string {
  const stopped = vms.filter(({ stoppedFirst }) => stoppedFirst !== null);
  if (stopped.length === 0) return "";
  const hosts = [...new Set(stopped.map(({ from }) => orNone(from)))].join(", ");
  return `\nStopped before their memory is copied, for ${hosts} runs guests without KVM: ${stopped.map(({ name }) => name).join(", ")}.\n`;
}

/** What stands still has its reason in the course of the cluster, unless something would help this VM alone. */
function isExplained({ becomes, fix }: ForeseenOutput): boolean {
  return becomes === "waits" || becomes === "stays" || (becomes === "stands-still" && fix !== null);
}

const troubles: Partial<Record<ForeseenOutput["becomes"], string>> = {
  stays: "cannot leave",
  "stands-still": "starts nowhere else, and goes on where it is after the cut",
};

function troubleText({ name, becomes, why, fix }: ForeseenOutput): string {
  const lines = [`\n${name} ${troubles[becomes] ?? "does not start"}.`];
  if (why !== null) lines.push(`  because  ${sentence(why)} (${why.rule})`);
  lines.push(fix === null ? "  No single change was found that would help." : `  but      ${sentence(fix)}`);
  return `${lines.join("\n")}\n`;
}

/** Said openly where a figure is none of this cluster's own. */
function basisText({ steps, bandwidthMiBps }: Pick<ForecastOutput, "steps" | "bandwidthMiBps">): string {
  const told = steps.map(({ step, ms, samples }) => {
    return `${step} ${seconds(ms)} (${samples === 0 ? "a default, never measured here" : `median of ${samples} here`})`;
  });
  const limit =
    bandwidthMiBps === null
      ? ""
      : ` The policy allows each move ${bandwidthMiBps} MiB/s: without moves of its own at that, a VM is counted with all its memory, and one that uses less goes faster.`;
  return `Times rest on: ${told.join(", ")}.${limit} A guest's own boot comes on top.\n`;
}

function sentence({ code, params }: Reason): string {
  return render(code, params).cause;
}

function seconds(ms: number | null): string {
  return ms === null ? "-" : `${(ms / 1_000).toFixed(1)} s`;
}

function orNone(host: string | null): string {
  return host ?? "nowhere";
}
