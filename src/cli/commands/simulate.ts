import { examples, type Group, jsonOption } from "../program.ts";

export const simulateCommands: Group = (program, cli) => {
  program
    .command("simulate")
    .description("play a scenario file (ha-scenario/1) on virtual time: what would happen, with nothing touched")
    .argument("<file>", "the scenario file")
    .option(...jsonOption)
    .addHelpText(
      "after",
      examples("holdfast simulate two-hosts-lost.json", "holdfast simulate two-hosts-lost.json --json"),
    )
    .action(async (file, { json }) => {
      const { simulateFile, tellResult } = await import("../simulate.ts");
      const result = await simulateFile(file, cli.io.stop);
      if (json === true) cli.json(result);
      else cli.io.out(tellResult(result));
    });
};
