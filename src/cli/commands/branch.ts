import { resolve } from "node:path";
import type { PointOutput } from "../../api/contract/point.ts";
import { type Cli, examples, type Group, jsonOption } from "../program.ts";
import { age, moment, orDash, staleness, table } from "../text.ts";
import { deletedText, exportMs, isBranch, settled, vmText } from "./point.ts";

type Parent = Parameters<Group>[0];
/** Also as `newest`, no recovery point is ever meant by the name of a branch. */
const among = "branches" as const;

export const branchCommands: Group = (program, cli) => {
  const branch = program.command("branch").description("what a VM's old host held when it went on elsewhere");
  branch.addHelpText(
    "after",
    examples("holdfast branch list", "holdfast branch export web e5-1732303030000 --to /var/tmp/web"),
  );
  listCommand(branch, cli);
  exportCommand(branch, cli);
  deleteCommand(branch, cli);
};

type Branch = Pick<PointOutput, "vm" | "id" | "host" | "origin">;

function listCommand(branch: Parent, cli: Cli): void {
  branch
    .command("list")
    .description("all branches, and whether they have writes that nobody else has")
    .option("--vm <vm>", "only of this VM, by name or id")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast branch list", "holdfast branch list --vm web --json"))
    .action(async ({ vm, json }) => {
      const answer = await (await cli.session()).call((client) => client.point.list(vm === undefined ? {} : { vm }));
      const points = answer.points.filter(isBranch);
      if (json === true) cli.json({ ...answer, points });
      else cli.io.out(staleness(answer.asOfMs) + branchesText(points));
    });
}

function branchesText(points: readonly PointOutput[]): string {
  if (points.length === 0) return "There are no branches.\n";
  const rows = points.map((point) => {
    const { vm, vmDeleted, id, host, at, ageMs, sizeMiB } = point;
    return [
      ...[vmText({ vm, vmDeleted }), id, host.name, moment(at), age(ageMs), orDash(sizeMiB)],
      hasAlone(point, points),
    ];
  });
  const left = points.find(({ vmDeleted }) => vmDeleted);
  const how = left === undefined ? "" : deletedText(left);
  return table(["VM", "BRANCH", "ON", "KEPT AT", "AGE", "MIB", "ONLY IT HAS"], rows) + how;
}

/** Two of one VM may be of the same moment: what was in sync when it went back to a point lies at both hosts. */
export function hasAlone(branch: Branch, all: readonly Branch[]): string {
  if (branch.origin !== "branch-kept") return "nothing that was ever acknowledged";
  const isOther = (one: Branch): boolean => one.vm.id === branch.vm.id && one.id !== branch.id;
  const others = all.filter((one) => one.origin === "branch-kept" && isOther(one));
  if (others.length === 0) return "acknowledged writes that nobody else has";
  const names = others.map(({ id, host }) => `${id} on ${host.name}`).join(" and ");
  return `acknowledged writes that its VM lacks; ${names} may have the same`;
}

function exportCommand(branch: Parent, cli: Cli): void {
  branch
    .command("export")
    .description("plain raw images of it, read-only, in a folder of its host")
    .argument("<vm>", "by name or id")
    .argument("<branch>", "as in `holdfast branch list`, or `newest`")
    .requiredOption("--to <folder>", "made where it is not there; nothing in it is overwritten")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast branch export web e5-1732303030000 --to /var/tmp/web"))
    .action(async (vm, point, { to, json }) => {
      const session = await cli.session();
      const folder = resolve(to);
      const input = { vm, point, folder, among };
      const wish = await session.change((client, requestId) => client.point.export({ ...input, requestId }));
      const end = await settled(session, wish, exportMs);
      if (json === true) cli.json(end);
      else cli.io.out(`${end.vm.name}: branch ${end.point} is on ${end.host.name} as raw images in ${folder}.\n`);
    });
}

function deleteCommand(branch: Parent, cli: Cli): void {
  branch
    .command("delete")
    .description("give it up; its room comes back by and by")
    .argument("<vm>", "by name or id")
    .argument("<branch>", "as in `holdfast branch list`, or `newest`")
    .option("--accept", "although it has writes that nobody else has")
    .option(...jsonOption)
    .addHelpText(
      "after",
      examples("holdfast branch delete web e5-1732303030000", "holdfast branch delete web e5-1732303030000 --accept"),
    )
    .action(async (vm, point, { accept, json }) => {
      const session = await cli.session();
      const input = { vm, point, among, ...(accept === true ? { accept } : {}) };
      const wish = await session.change((client, requestId) => client.point.drop({ ...input, requestId }));
      const end = await settled(session, wish);
      if (json === true) cli.json(end);
      else cli.io.out(`${end.vm.name}: branch ${end.point} was deleted.\n`);
    });
}
