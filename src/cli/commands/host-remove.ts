import type { RemovalOutput } from "../../api/contract/host-removal.ts";
import { render } from "../../model/messages/index.ts";
import { type Cli, examples, type Group } from "../program.ts";
import { counted, staleness } from "../text.ts";
import { fail } from "../trouble.ts";

export function hostRemoveCommands(host: Parameters<Group>[0], cli: Cli): void {
  host
    .command("remove")
    .description(
      "take a host that is off out of the cluster for good, or one in maintenance, which is shut down first; repeated, it finishes what was cut off",
    )
    .argument("<host>", "name or id")
    .option("--accept", "also where the cluster bears less without it, or a rule or a copy goes with it")
    .option("--dry-run", "show what is in the way and what it would take away; nothing is changed")
    .option("--json", "print the answer as JSON; with --dry-run the plan")
    .addHelpText(
      "after",
      examples("holdfast host remove h4 --dry-run", "holdfast host maintenance h4 && holdfast host remove h4 --accept"),
    )
    .action(async (name, { json, accept, dryRun }) => {
      const session = await cli.session();
      if (dryRun === true) {
        const plan = await session.call((client) => client.host.removal({ host: name }));
        if (json === true) cli.json(plan);
        if (plan.refused !== null) throw fail(plan.refused.code, plan.refused.params, 1);
        if (json !== true) cli.io.out(staleness(plan.asOfMs) + planText(name, plan));
        return;
      }
      const answer = await session.change((client, requestId) => client.host.remove({ host: name, accept, requestId }));
      if (json === true) cli.json(answer);
      else if (answer.store === "left")
        cli.io.out(`${answer.name} is removed; have it back with: holdfast host join ${answer.name}\n`);
      else {
        cli.io.out(
          `${answer.name} is removed; its member leaves the store as soon as a majority of the others is up.\n`,
        );
      }
    });
  host
    .command("join")
    .description("take a removed host back: it joins by itself once it is on, with a new number and an empty store")
    .argument("<host>", "its name or id of before")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", examples("holdfast host join h4"))
    .action(async (name, { json }) => {
      const answer = await (await cli.session()).change((client, requestId) =>
        client.host.join({ host: name, requestId }),
      );
      if (json === true) cli.json(answer);
      else cli.io.out(`${answer.name} may join again: switch it on, and see holdfast host list.\n`);
    });
}

function planText(host: string, { breaks, votes, shutsDown }: RemovalOutput): string {
  const before = shutsDown ? `${host} is up, empty and in maintenance: it is shut down first.\n` : "";
  const first = `${before}The store would have ${counted(votes.after, "member")} instead of ${votes.before}.\n`;
  if (breaks.length === 0) return `${first}Nothing else would be missed: holdfast host remove ${host}\n`;
  const lines = breaks.map(({ code, params }) => `  ${render(code, params).cause}\n`).join("");
  return `${first}${lines}To do it all the same: holdfast host remove ${host} --accept\n`;
}
