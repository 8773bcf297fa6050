import type { GroupOutput, Losses } from "../../api/contract/group.ts";
import { wholeNumber } from "../numbers.ts";
import { type Cli, examples, type Group } from "../program.ts";
import type { Session } from "../session.ts";
import { moment, table } from "../text.ts";
import { fail } from "../trouble.ts";
import { isBranch, newest } from "./point.ts";
import { noteText, watchTask } from "./task.ts";

// The VMs of a group go to the host of their copies, and nothing is lost.

type Parent = Parameters<Group>[0];
type Manner = "live" | "stopped";
type Options = {
  readonly to?: string;
  readonly vm?: string;
  readonly wait: boolean;
  readonly timeout: number;
  readonly json?: true;
};

const toHelp = "the host that they go to (default: the one where none of them is)";
const vmHelp = "only this VM of it, by name or id";
const waitHelp = "how long to wait for each";

export function switchCommands(group: Parent, cli: Cli): void {
  group
    .command("switchover")
    .description("move all its VMs to the host of their copies, as they run; what they leave is the copy then")
    .argument("<group>", "its name")
    .option("--to <host>", toHelp)
    .option("--vm <vm>", vmHelp)
    .option("--no-wait", "return as soon as the orders are recorded")
    .option("--timeout <seconds>", waitHelp, wholeNumber, 600)
    .option("--json", "print the tasks as JSON at the end")
    .addHelpText(
      "after",
      examples("holdfast group switchover office", "holdfast group switchover office --vm web --to h1"),
    )
    .action((name, options) => run(cli, name, "live", options));
  group
    .command("failover")
    .description("start its VMs on the host of their copies; without --planned: after the loss of theirs")
    .argument("<group>", "its name")
    .option("--planned", "stop them first: nothing is lost, because every copy has every write then")
    .option(
      "--to-point <point>",
      "go back to this recovery point, which `holdfast point list` names, or to the newest (one VM; one that runs is stopped and started)",
    )
    .option("--accept <loss...>", "lose what their copies lack, as this command says it without it")
    .option("--to <host>", toHelp)
    .option("--vm <vm>", vmHelp)
    .option("--no-wait", "with --planned: return as soon as the orders are recorded")
    .option("--timeout <seconds>", waitHelp, wholeNumber, 600)
    .option("--json", "print the tasks, or what is lost, as JSON at the end")
    .addHelpText(
      "after",
      examples(
        "holdfast group failover office --planned",
        "holdfast group failover office --vm web",
        "holdfast group failover office --vm web --to-point s-1732303030000",
      ),
    )
    .action((name, options) =>
      options.planned === true && options.toPoint === undefined
        ? run(cli, name, "stopped", options)
        : byHand(cli, name, options),
    );
}

type ByHand = {
  readonly to?: string;
  readonly vm?: string;
  readonly toPoint?: string;
  readonly accept?: string[];
  readonly json?: true;
};

/** Nobody accepts what was not shown: without it this only tells. */
async function byHand(cli: Cli, name: string, options: ByHand): Promise<void> {
  const { accept, json } = options;
  const session = await cli.session();
  const input = await whereTo(session, name, options);
  const answer =
    accept === undefined
      ? await session.call((client) => client.group.losses(input))
      : await session.change((client, requestId) => client.group.failover({ ...input, accept, requestId }));
  if (json === true) cli.json(answer);
  else cli.io.out(lossesText(answer) + (accept === undefined ? "" : "It is ordered.\n"));
  const lossy = answer.vms.filter(({ code }) => code !== "whole");
  const [first] = lossy;
  if (accept !== undefined || first === undefined) return;
  const all = lossy.map((one) => one.accept).join(" ");
  throw fail("failover-not-accepted", { vm: first.name, host: first.to.name, accept: all }, 1);
}

function lossesText({ vms }: Losses): string {
  const rows = vms.map(({ name, to, code, since, lostMs, lostMiB, proof, stops }) => {
    const lost = code === "whole" ? "nothing" : lostMs === null ? "nobody can say" : `${Math.ceil(lostMs / 1_000)} s`;
    const bytes = lostMiB === null ? "-" : `${lostMiB} MiB`;
    return [
      name,
      to.name,
      code,
      since === null ? "-" : moment(since),
      lost,
      bytes,
      stops === true ? "is stopped first" : proof,
    ];
  });
  return table(["VM", "TO", "COPY", "SINCE", "LOST", "TO COPY", "PROOF"], rows);
}

async function run(cli: Cli, name: string, manner: Manner, options: Options): Promise<void> {
  const session = await cli.session();
  const input = await whichOf(session, name, options);
  const { tasks, notes } = await session.change((client, requestId) =>
    client.group.switchover({ ...input, manner, requestId }),
  );
  const quiet = options.json === true;
  if (!quiet) for (const note of notes) cli.io.err(noteText(note));
  const last = [];
  for (const task of tasks) {
    const limits = { seconds: options.timeout, quiet };
    last.push(options.wait ? await watchTask(cli, session, task, task.vmName, limits) : task);
    if (!quiet && !options.wait) cli.io.out(`${task.vmName}: recorded as ${task.id}.\n`);
  }
  if (quiet) cli.json({ tasks: last, notes });
}

/** Where somebody names a point, it is where that lies. */
async function whereTo(session: Session, name: string, options: ByHand): Promise<Which & { readonly point?: string }> {
  const { toPoint: point, to } = options;
  if (point === undefined) return whichOf(session, name, options);
  const vm = options.vm ?? (await onlyVm(session, name));
  // Of none of them where it is of several: the server says that one has to be named.
  const { points } = vm === undefined ? { points: [] } : await session.call((client) => client.point.list({ vm }));
  const found = points.findLast((one) => (point === newest ? !isBranch(one) : one.id === point));
  const where = to ?? found?.host.id;
  const which = await whichOf(session, name, { ...options, ...(where === undefined ? {} : { to: where }) });
  // By its name from here on: what is accepted is that very one.
  return { ...which, point: found?.id ?? point };
}

/** Points are those of one VM, and of two the one that sorts last is no answer. */
async function onlyVm(session: Session, name: string): Promise<string | undefined> {
  const { vms } = (await session.call((client) => client.group.show({ group: name }))).group;
  return vms.length === 1 ? vms[0]?.id : undefined;
}

type Which = { readonly group: string; readonly to: string; readonly vm?: string };

async function whichOf(session: Session, group: string, { to, vm }: Pick<Options, "to" | "vm">): Promise<Which> {
  const one = vm === undefined ? {} : { vm };
  if (to !== undefined) return { group, to, ...one };
  const shown = (await session.call((client) => client.group.show({ group }))).group;
  return { group, to: otherEnd(shown, vm), ...one };
}

/** Where all of them are says where they go; of those on both hosts a person has to say it. */
function otherEnd({ name, from, to, vms }: GroupOutput, wanted: string | undefined): string {
  const chosen = vms.filter((vm) => wanted === undefined || vm.name === wanted || vm.id === wanted);
  // The server says who is not in it.
  if (chosen.length === 0) return to.id;
  const there = new Set(chosen.map(({ on }) => on?.id));
  if (there.size === 1 && there.has(from.id)) return to.id;
  if (there.size === 1 && there.has(to.id)) return from.id;
  throw fail("group-on-both-hosts", { group: name, hosts: `${from.name} and ${to.name}` }, 1);
}
