import { setTimeout as pause } from "node:timers/promises";
import type { ForecastOutput } from "../../api/contract/whatif.ts";
import { wholeNumber } from "../numbers.ts";
import { type Cli, examples, type Group } from "../program.ts";
import type { Session } from "../session.ts";
import { fail } from "../trouble.ts";
import { forecastText } from "./whatif.ts";

const lookEveryMs = 300;

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
      const rest = answer.vms === 0 ? "it holds no VMs" : `the VMs that it holds now (${answer.vms}) leave`;
      cli.io.out(`${answer.name} is in maintenance: ${rest}. End it with: holdfast host release ${answer.name}\n`);
      if (wait) await watchLeaving(cli, session, answer.name, plan, timeout);
    });
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
  const signal = AbortSignal.any([AbortSignal.timeout(seconds * 1_000), cli.io.stop]);
  while (leaving.size > 0) {
    const { vms } = await session.call((client) => client.vm.list({}));
    for (const vm of vms) {
      const isThere = vm.state === "running" && vm.host !== host;
      if (!leaving.has(vm.id) || (vm.requested === "started" && !isThere)) continue;
      leaving.delete(vm.id);
      cli.io.err(`${vm.name}: ${vm.state} on ${vm.host ?? "no host"} (${all - leaving.size} of ${all})\n`);
    }
    // Deleted meanwhile: it has left as well.
    for (const id of leaving) if (!vms.some((vm) => vm.id === id)) leaving.delete(id);
    if (leaving.size === 0) break;
    const { host: now } = await session.call((client) => client.host.show({ host }));
    if (now.maintenance === null) throw fail("maintenance-ended-meanwhile", { host, left: leaving.size }, 3);
    if (signal.aborted) throw fail("maintenance-not-done", { host, left: leaving.size, seconds }, 3);
    await pause(lookEveryMs, undefined, { signal }).catch(() => undefined);
  }
  const stay = plan.vms.filter(({ becomes }) => becomes === "stays").map((vm) => vm.name);
  if (all > 0) cli.io.out(`${all} left ${host}${stay.length === 0 ? "" : `; on it stay ${stay.join(", ")}`}.\n`);
}
