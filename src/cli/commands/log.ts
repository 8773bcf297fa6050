import { wholeNumber } from "../numbers.ts";
import { examples, type Group, jsonOption } from "../program.ts";
import { eventLine } from "../text.ts";

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
      const session = await cli.session();
      if (follow !== true) {
        const answer = await session.call((client) => client.event.list(filter));
        if (json === true) cli.json(answer);
        else for (const event of answer.events) cli.io.out(eventLine(event));
        return;
      }
      const { stop } = cli.io;
      await session.call(async (client) => {
        try {
          for await (const event of await client.event.follow(filter, { signal: stop })) {
            cli.io.out(json === true ? `${JSON.stringify(event)}\n` : eventLine(event));
          }
        } catch (error) {
          if (!stop.aborted) throw error;
        }
      });
    });
};
