import type { EventOutput } from "../../api/contract/event.ts";
import { wholeNumber } from "../numbers.ts";
import { type Cli, examples, type Group, jsonOption } from "../program.ts";
import { eventLine } from "../text.ts";
import { CliTrouble } from "../trouble.ts";

type FollowFilter = {
  readonly vm?: string | undefined;
  readonly host?: string | undefined;
  readonly type?: string | undefined;
  readonly limit: number;
};

export const logCommands: Group = (program, cli) => {
  program
    .command("log")
    .description("the cluster's history: what happened and why, oldest first")
    .option("--follow", "go on showing events as they happen, until Ctrl-C")
    .option("--vm <vm>", "only about this VM")
    .option("--host <host>", "only about or by this host")
    .option("--type <type>", "only events of this type, such as vm-placed")
    .option("--limit <n>", "how many of the newest", wholeNumber, 50)
    .option("--json", `${jsonOption[1]}; with --follow one event per line`)
    .addHelpText(
      "after",
      examples(
        "holdfast log",
        "holdfast log --vm web --limit 10",
        "holdfast log --follow",
        "holdfast log --type host-fenced --json",
      ),
    )
    .action(async ({ follow, json, ...filter }) => {
      if (follow !== true) {
        const session = await cli.session();
        const answer = await session.call((client) => client.event.list(filter));
        if (json === true) cli.json(answer);
        else for (const event of answer.events) cli.io.out(eventLine(event));
        return;
      }
      await followOn(cli, filter, (event) =>
        cli.io.out(json === true ? `${JSON.stringify(event)}\n` : eventLine(event)),
      );
    });
};

/** How often, and how far apart, another host is looked for once the one that was followed is gone. */
const findAnother = { times: 20, everyMs: 500 };

/** Follows until Ctrl-C. The host that tells may be the one that dies: another one goes on where it stopped. */
async function followOn(cli: Cli, filter: FollowFilter, show: (event: EventOutput) => void): Promise<void> {
  const { stop } = cli.io;
  let after: number | undefined;
  for (let failures = 0; !stop.aborted; failures++) {
    try {
      const session = await cli.session();
      await session.call(async (client) => {
        const wanted = after === undefined ? filter : { ...filter, after };
        for await (const event of await client.event.follow(wanted, { signal: stop })) {
          show(event);
          after = event.revision;
          failures = 0;
        }
      });
      return;
    } catch (error) {
      if (stop.aborted) return;
      const gone = error instanceof CliTrouble && error.exitCode === 3;
      if (!gone || failures >= findAnother.times) throw error;
      await new Promise((resolve) => setTimeout(resolve, findAnother.everyMs));
    }
  }
}
