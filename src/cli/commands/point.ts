import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PointOutput, WishOutput } from "../../api/contract/point.ts";
import { render } from "../../model/messages/index.ts";
import { durationText } from "../durations.ts";
import { wholeNumber } from "../numbers.ts";
import { type Cli, examples, type Group, jsonOption } from "../program.ts";
import type { Session } from "../session.ts";
import { age, moment, orDash, staleness, table } from "../text.ts";
import { fail } from "../trouble.ts";
import { checksOf, earlierText, proofText, testOf, testText, withChecks } from "./point-checks.ts";

type Parent = Parameters<Group>[0];
const toProve = ": name what its guest has to show (--http, --agent, --screen), and the test proves it";
const pollMs = 250;
/** For an agent to do it, and to say so. */
const usualMs = 60_000;
export const exportMs = 3_600_000;

/** Instead of a name. */
export const newest = "newest";

/** What a VM's old host held, and not a moment that was taken for going back to. */
export function isBranch({ origin }: Pick<PointOutput, "origin">): boolean {
  return origin === "branch" || origin === "branch-kept";
}

export const pointCommands: Group = (program, cli) => {
  const point = program
    .command("point")
    .description("recovery points: moments of a VM's disks, kept where its copies are");
  point.addHelpText("after", examples("holdfast point list", "holdfast point test web newest --http /"));
  listCommand(point, cli);
  takeCommand(point, cli);
  dropCommand(point, cli);
  exportCommand(point, cli);
  testCommand(point, cli);
};

function listCommand(point: Parent, cli: Cli): void {
  point
    .command("list")
    .description("all recovery points, with age, size, and what their last test came to")
    .option("--vm <vm>", "only of this VM, by name or id")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast point list", "holdfast point list --vm web --json"))
    .action(async ({ vm, json }) => {
      const answer = await (await cli.session()).call((client) => client.point.list(vm === undefined ? {} : { vm }));
      if (json === true) cli.json(answer);
      else cli.io.out(staleness(answer.asOfMs) + pointsText(answer.points));
    });
}

function pointsText(points: readonly PointOutput[]): string {
  if (points.length === 0) return "There are no recovery points.\n";
  const rows = points.map(({ vm, vmDeleted, id, host, at, ageMs, sizeMiB, origin, consistency, ...tests }) => [
    ...[vmText({ vm, vmDeleted }), id, host.name, moment(at), age(ageMs), orDash(sizeMiB), consistency, origin],
    testText(tests),
  ]);
  const left = points.find(({ vmDeleted }) => vmDeleted);
  const how = left === undefined ? "" : deletedText(left);
  const heads = ["VM", "POINT", "ON", "AT", "AGE", "MIB", "CONSISTENCY", "TAKEN BY", "TEST"];
  return table(heads, rows) + earlierText(points) + how;
}

export function vmText({ vm, vmDeleted }: Pick<PointOutput, "vm" | "vmDeleted">): string {
  return vmDeleted ? `deleted VM ${vm.name}` : vm.name;
}

/** What can still be done with what is left of it. */
export function deletedText({ vm, id, origin }: PointOutput): string {
  const [what, drop] = isBranch({ origin }) ? ["branch", "delete"] : ["point", "drop"];
  return `
Of a deleted VM what is left can be exported: holdfast ${what} export ${vm.name} ${id} --to FOLDER
or given up, with the last one all that is left of its disks: holdfast ${what} ${drop} ${vm.name} ${id}
`;
}

function takeCommand(point: Parent, cli: Cli): void {
  point
    .command("take")
    .description("have a point taken now; it stays until it is dropped by hand")
    .requiredOption("--vm <vm>", "the VM, by name or id")
    .option("--application", "ask the guest to bring its file systems in order first, where its agent answers")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast point take --vm web", "holdfast point take --vm web --application"))
    .action(async ({ vm, application, json }) => {
      const consistency = application === true ? ("application" as const) : ("crash" as const);
      const session = await cli.session();
      const wish = await session.change((client, requestId) => client.point.take({ vm, consistency, requestId }));
      const end = await settled(session, wish);
      const { points } = await session.call((client) => client.point.list({ vm }));
      const taken = points.findLast(({ origin }) => origin === "hand");
      if (json === true) cli.json(end);
      else cli.io.out(takenText(end, taken, application === true));
    });
}

function takenText({ vm, host }: WishOutput, taken: PointOutput | undefined, application: boolean): string {
  if (taken === undefined) return `A point of ${vm.name} was taken.\n`;
  const less = application && taken.consistency === "crash";
  const { whyCrash } = taken;
  const words = whyCrash === null ? undefined : render(whyCrash.code, whyCrash.params);
  const why = words === undefined ? "The guest did not stand still." : `${words.cause} ${words.remedy ?? ""}`;
  const but = less ? ` It is as after a power cut: ${why.trim()}` : "";
  return `${vm.name}: point ${taken.id} lies on ${taken.host.name}; taken by ${host.name}, ${taken.consistency}-consistent.${but}\n`;
}

function dropCommand(point: Parent, cli: Cli): void {
  point
    .command("drop")
    .description("give a point up; its room comes back by and by")
    .argument("<vm>", "by name or id")
    .argument("<point>", "its name, as in `holdfast point list`")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast point drop web e4-1732303030000"))
    .action(async (vm, name, { json }) => {
      const session = await cli.session();
      const wish = await session.change((client, requestId) => client.point.drop({ vm, point: name, requestId }));
      const end = await settled(session, wish);
      if (json === true) cli.json(end);
      else cli.io.out(`${end.vm.name}: ${name} is no recovery point any more.\n`);
    });
}

function exportCommand(point: Parent, cli: Cli): void {
  point
    .command("export")
    .description("plain raw images of its disks, read-only, in a folder of the host where the point lies")
    .argument("<vm>", "by name or id")
    .argument("<point>", "its name, or `newest`")
    .requiredOption("--to <folder>", "made where it is not there; nothing in it is overwritten")
    .option(...jsonOption)
    .addHelpText(
      "after",
      examples("holdfast point export web newest --to /var/tmp/web", "mount -o ro,loop /var/tmp/web/*.raw /mnt"),
    )
    .action(async (vm, name, { to, json }) => {
      const session = await cli.session();
      const folder = resolve(to);
      const wish = await session.change((client, requestId) =>
        client.point.export({ vm, point: name, folder, requestId }),
      );
      const end = await settled(session, wish, exportMs);
      if (json === true) cli.json(end);
      else cli.io.out(`${end.vm.name}: point ${end.point} is on ${end.host.name} as raw images in ${folder}.\n`);
    });
}

function testCommand(point: Parent, cli: Cli): void {
  const command = point
    .command("test")
    .description("boot it in an isolated network beside the running VM, check it, record the result, clean up")
    .argument("<vm>", "by name or id")
    .argument("[point]", "its name", "newest")
    .option("--limit <seconds>", "for all of it (default: 120)", wholeNumber);
  withChecks(command)
    .option(...jsonOption)
    .addHelpText(
      "after",
      examples("holdfast point test web", "holdfast point test web newest --http / --http-text Welcome"),
    )
    .action(async (vm, name, { json, limit, ...given }) => {
      const checks = checksOf(given);
      const limitMs = (limit ?? 120) * 1_000;
      const session = await cli.session();
      const input = { vm, point: name, checks, limitMs };
      const wish = await session.change((client, requestId) => client.point.test({ ...input, requestId }));
      if (json !== true)
        cli.io.err(
          `${wish.vm.name}: point ${wish.point} is tested on ${wish.host.name}, for ${limitMs / 1_000} s at most.\n`,
        );
      const end = await settled(session, wish, limitMs + usualMs);
      const { points } = await session.call((client) => client.point.list({ vm }));
      const proof = testOf(points, end.point);
      if (proof !== null && !proof.passed) {
        const failed = proof.checks.filter(({ passed }) => !passed).map(({ kind, detail }) => `${kind}: ${detail}`);
        throw fail(
          "point-test-failed",
          { vm: end.vm.name, point: proof.point, host: end.host.name, detail: failed.join("; ") },
          1,
        );
      }
      if (json === true) cli.json(end);
      else
        cli.io.out(
          `${end.vm.name}: ${proof === null ? "tested" : proofText(proof)}${proof?.passed === true && checks.length === 0 ? toProve : ""}\n`,
        );
    });
}

/** Waits for the agent that carries it out; the session's own interrupt ends the wait, not the wish. */
export async function settled(session: Session, wish: WishOutput, limitMs = usualMs): Promise<WishOutput> {
  let now = wish;
  const giveUpAt = performance.now() + limitMs;
  while (now.state === "open") {
    if (performance.now() > giveUpAt)
      throw fail("point-wish-open", { wish: wish.wish, host: wish.host.name, act: wish.act }, 3);
    await sleep(pollMs);
    now = await session.call((client) => client.point.wish({ wish: wish.wish }));
  }
  if (now.trouble !== null) throw fail(now.trouble.code, now.trouble.params, 1);
  return now;
}

export function scheduleText(points: {
  everyMs: number | null;
  keep: readonly { everyMs: number; count: number }[];
}): string {
  const every = points.everyMs === null ? "by hand" : `every ${durationText(points.everyMs)}`;
  const keep = points.keep.map(({ everyMs, count }) => `${count}x${durationText(everyMs)}`).join(",");
  return keep === "" ? every : `${every}, keeping ${keep}`;
}
