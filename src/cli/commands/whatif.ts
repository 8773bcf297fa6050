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
  const all = [...foreseen].sort(byName);
  const vms = all.filter(({ wasDown }) => !wasDown);
  const apart = all.filter(({ wasDown }) => wasDown).map(downText);
  const told = course.map((why) => `${sentence(why)}\n`).join("");
  const isTold = course.some(({ code }) => code === "forecast-without-copies");
  if (vms.length === 0) return `${told}Nothing ${isTold ? "else " : ""}happens to any VM.\n${apart.join("")}`;
  const rows = vms.map((vm) => [
    vm.name,
    orNone(vm.from),
    orNone(vm.to),
    vm.via === null ? vm.becomes : `${vm.becomes} on from ${vm.via}`,
    `${isGuessedAfter(vm) ? "~" : ""}${seconds(vm.afterMs)}`,
    `${isGuessedDown(vm) ? "~" : ""}${seconds(vm.downMs)}`,
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
    ...apart,
    vms.some(({ afterMs }) => afterMs !== null) ? `\n${basisText(vms, { steps, bandwidthMiBps })}` : "",
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

function troubleText({ name, becomes, ...cause }: ForeseenOutput): string {
  return causeText(`${name} ${troubles[becomes] ?? "does not start"}.`, cause);
}

/** So it is today, and nothing of what was asked for changes it. */
function downText({ name, ...cause }: ForeseenOutput): string {
  return causeText(`${name} runs nowhere already, and this changes nothing about it.`, cause);
}

function causeText(first: string, { why, fix }: Pick<ForeseenOutput, "why" | "fix">): string {
  const lines = [`\n${first}`];
  if (why !== null) lines.push(`  because  ${sentence(why)} (${why.rule})`);
  lines.push(fix === null ? "  No single change was found that would help." : `  but      ${sentence(fix)}`);
  return `${lines.join("\n")}\n`;
}

/** A guest's pause is no part of when it runs there. */
function isGuessedAfter({ afterMs, guessed }: ForeseenOutput): boolean {
  return afterMs !== null && guessed.some((step) => step !== "pause");
}

/** What moves while it runs stands still for its pause alone. */
function isGuessedDown({ becomes, loses, downMs, guessed }: ForeseenOutput): boolean {
  const isLive = becomes === "moves" && loses === null;
  return downMs !== null && guessed.some((step) => (step === "pause") === isLive);
}

/** Said openly where a figure is none of this cluster's own; nothing of figures that no row has. */
function basisText(
  vms: readonly ForeseenOutput[],
  { steps, bandwidthMiBps }: Pick<ForecastOutput, "steps" | "bandwidthMiBps">,
): string {
  const used = new Set(vms.flatMap(({ restsOn }) => restsOn));
  const shown = steps.filter(({ step }) => used.has(step));
  const told = shown.map(({ step, ms, samples }) => {
    return `${step} ${seconds(ms)} (${samples === 0 ? "a default, never measured here" : `median of ${samples} here`})`;
  });
  const limit =
    bandwidthMiBps === null || !used.has("live-move")
      ? ""
      : ` The policy allows each move ${bandwidthMiBps} MiB/s: without moves of its own at that, a VM is counted with all its memory, and one that uses less goes faster.`;
  const marks = vms.some((vm) => isGuessedAfter(vm) || isGuessedDown(vm)) ? " ~: a default is part of it." : "";
  const boot = used.has("start") ? " A guest's own boot comes on top." : "";
  return `Times rest on: ${told.join(", ")}.${marks}${limit}${boot}\n`;
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
