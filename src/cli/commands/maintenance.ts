import { setTimeout as pause } from "node:timers/promises";
import type { VmSummary } from "../../api/contract/vm.ts";
import type { ForecastOutput } from "../../api/contract/whatif.ts";
import { wholeNumber } from "../numbers.ts";
import { type Cli, examples, type Group } from "../program.ts";
import type { Session } from "../session.ts";
import { fail } from "../trouble.ts";
import { progressText, progressTo } from "./task.ts";
import { forecastText } from "./whatif.ts";

const lookEveryMs = 300;
/** A move that has not begun by then is held up by something. */
const beginsWithinMs = 5_000;

/** The plan first, then the order, then each VM as it arrives elsewhere. */
export function maintenanceCommand(host: Parameters<Group>[0], cli: Cli): void {
  host
    .command("maintenance")
    .description("have all VMs leave a host, and let none come, until it is released; a reboot does not end it")
    .argument("<host>", "name or id")
    .option("--reason <text>", "why: shown to everybody", "")
    .option("--dry-run", "show where each VM would go, how long that takes and what cannot leave; nothing is changed")
    .option("--no-wait", "return as soon as the order is recorded")
    .option("--timeout <seconds>", "how long to wait", wholeNumber, 600)
    .option("--json", "print the answer as JSON, without waiting; with --dry-run the plan")
    .addHelpText(
      "after",
      examples(
        "holdfast host maintenance h1 --dry-run",
        "holdfast host maintenance h1",
        'holdfast host maintenance h1 --reason "new memory"',
      ),
    )
    .action(async (name, { json, reason, dryRun, wait, timeout }) => {
      const session = await cli.session();
      const plan = await session.call((client) => client.whatif.maintenance({ host: name }));
      if (dryRun === true) {
        if (json === true) cli.json(plan);
        else cli.io.out(forecastText(plan));
        return;
      }
      if (json !== true && plan.vms.length > 0) cli.io.out(`The plan:\n${forecastText(plan)}\n`);
      const answer = await session.change((client, requestId) =>
        client.host.maintenance({ host: name, reason, requestId }),
      );
      if (json === true) {
        cli.json(answer);
        return;
      }
      cli.io.out(
        `${answer.name} is in maintenance: ${leavingText(answer.vms, plan)}. End it with: holdfast host release ${answer.name}\n`,
      );
      if (wait) await watchLeaving(cli, session, answer.name, plan, timeout);
    });
}

/** In the words of the plan above it: what cannot leave is not said to. */
function leavingText(held: number, plan: ForecastOutput): string {
  if (held === 0) return "it holds no VMs";
  const stay = staying(plan);
  if (stay.length === 0) return `the VMs that it holds now (${held}) leave`;
  const leave = plan.vms.filter(({ becomes }) => becomes === "moves").length;
  return `of the VMs that it holds now (${held}) ${leave === 0 ? "none" : leave} can leave; it waits for ${stay.join(", ")}`;
}

function staying(plan: ForecastOutput): string[] {
  return plan.vms.filter(({ becomes }) => becomes === "stays").map((vm) => vm.name);
}

/** Until each VM of the plan that can leave runs elsewhere. Those that cannot are not waited for: the plan has named them. */
async function watchLeaving(
  cli: Cli,
  session: Session,
  host: string,
  plan: ForecastOutput,
  seconds: number,
): Promise<void> {
  const leaving = new Set(plan.vms.filter(({ becomes }) => becomes === "moves").map(({ id }) => id));
  const all = leaving.size;
  const orderedAt = performance.now();
  const signal = AbortSignal.any([AbortSignal.timeout(seconds * 1_000), cli.io.stop]);
  const show = progressTo(cli);
  const percents = new Map<string, number>();
  let shown = "";
  while (leaving.size > 0) {
    const { vms } = await session.call((client) => client.vm.list({}));
    for (const vm of vms) {
      const isThere = vm.state === "running" && vm.host !== host;
      if (!leaving.has(vm.id) || (vm.requested === "started" && !isThere)) continue;
      leaving.delete(vm.id);
      if (shown !== "") show("");
      shown = "";
      cli.io.err(`${vm.name}: ${vm.state} on ${vm.host ?? "no host"} (${all - leaving.size} of ${all})\n`);
    }
    // Deleted meanwhile: it has left as well.
    for (const id of leaving) if (!vms.some((vm) => vm.id === id)) leaving.delete(id);
    if (leaving.size === 0) break;
    const under = await underWay(
      session,
      vms.filter(({ id }) => leaving.has(id)),
      { percents, isJustOrdered: performance.now() - orderedAt < beginsWithinMs },
    );
    if (under !== shown) show(under);
    shown = under;
    const { host: now } = await session.call((client) => client.host.show({ host }));
    if (now.maintenance === null) throw fail("maintenance-ended-meanwhile", { host, left: leaving.size }, 3);
    if (cli.io.stop.aborted) throw fail("maintenance-not-awaited", { host, left: leaving.size }, 3);
    if (signal.aborted) throw fail("maintenance-not-done", { host, left: leaving.size, seconds }, 3);
    await pause(lookEveryMs, undefined, { signal }).catch(() => undefined);
  }
  const stay = staying(plan);
  if (all > 0) cli.io.out(`${all} left ${host}${stay.length === 0 ? "" : `; on it stay ${stay.join(", ")}`}.\n`);
}

type Known = { readonly percents: Map<string, number>; readonly isJustOrdered: boolean };

/**
 * How far those are that are to leave, each as `task list` has it, and never less far than `percents` says it was; one that is not on
 * its way waits, where it has had the time to begin.
 */
async function underWay(
  session: Session,
  vms: readonly VmSummary[],
  { percents, isJustOrdered }: Known,
): Promise<string> {
  const { tasks } = await session.call((client) => client.task.list());
  const texts = vms.map((vm) => {
    const task = tasks.find((one) => one.vm === vm.id && one.kind === "move-vm");
    const hasBegun = task !== undefined && task.waits?.code !== "leave-not-begun";
    if (!hasBegun && isJustOrdered) return `${vm.name}: about to leave`;
    if (task === undefined) return `${vm.name}: waits to leave`;
    // One that waits begins anew.
    const percent = task.percent === 0 ? 0 : Math.max(task.percent, percents.get(vm.id) ?? 0);
    percents.set(vm.id, percent);
    return progressText(vm, { ...task, percent });
  });
  return texts.join("; ");
}
