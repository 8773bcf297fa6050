import type { TaskOutput } from "../../api/contract/task.ts";
import { render } from "../../model/messages/index.ts";
import { examples, type Group, jsonOption } from "../program.ts";
import { localTimes, orDash, staleness, table } from "../text.ts";

export const taskCommands: Group = (program, cli) => {
  const task = program.command("task").description("what is under way");
  task.addHelpText("after", examples("holdfast task list"));
  task
    .command("list")
    .description("all that is under way, and how far it has come; also moves that nobody ordered")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast task list", "holdfast task list --json"))
    .action(async (options) => {
      const answer = await (await cli.session()).call((client) => client.task.list());
      if (options.json === true) cli.json(answer);
      else cli.io.out(staleness(answer.asOfMs) + (taskTable(answer.tasks) || "Nothing is under way.\n"));
    });
};

/** Empty where nothing is under way. */
export function taskTable(tasks: readonly TaskOutput[]): string {
  if (tasks.length === 0) return "";
  const rows = tasks.map((task) => [
    task.vmName,
    task.kind,
    orDash(task.toName),
    `${task.percent} %`,
    courseText(task) || "-",
    task.actor.role === "system" && task.reason !== null
      ? render(task.reason.code, task.reason.params).cause
      : `ordered by ${task.actor.name}`,
  ]);
  return table(["VM", "TASK", "TO", "DONE", "HOW IT GOES", "WHY"], rows);
}

/** Of a guest that moves while it runs: what it waits for, or how its copying goes. */
export function courseText({
  copying,
  lastWordOf,
  queue,
  reason,
  stoppedFirst,
  waits,
}: Pick<TaskOutput, "copying" | "lastWordOf" | "queue" | "reason" | "stoppedFirst" | "waits">): string {
  if (waits !== null) return `waits: ${render(waits.code, localTimes(waits.params)).cause}`;
  if (reason?.code === "disarmed") return `waits: ${render(reason.code, reason.params).cause}`;
  if (queue !== null) return `waits for its turn (number ${queue} of its hosts)`;
  if (copying === null) return stoppedFirst === null ? "" : "its guest is to stand still while its memory is copied";
  const { percent, mibPerSecond, remainingMiB, remainingMs, expectedDowntimeMs, link } = copying;
  // How fast it went tells nothing of a host that may be gone.
  if (lastWordOf !== null)
    return `${lastWordOf} is not heard; its last word: ${percent} % copied over ${link}, ${Math.round(remainingMiB)} MiB left`;
  if (copying.stuck === true)
    return `${percent} % copied; nothing gets through to ${link} just now, ${Math.round(remainingMiB)} MiB left${standsText(copying)}`;
  const rest = remainingMs === null ? "" : ` (about ${seconds(remainingMs)})`;
  const pause = expectedDowntimeMs === null ? "" : `, pause about ${seconds(expectedDowntimeMs)}`;
  return `${percent} % copied, ${Math.round(mibPerSecond)} MiB/s over ${link}, ${Math.round(remainingMiB)} MiB left${rest}${pause}${standsText(copying)}`;
}

function standsText({ guest, waitsForDisk }: NonNullable<TaskOutput["copying"]>): string {
  if (guest === "stopped") return "; its guest stands still meanwhile";
  return waitsForDisk === true
    ? "; a disk of its guest has failed, and it stands still until that works or it has arrived"
    : "";
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
