import { runTool } from "../lab/options.ts";
import { parseOptions, usage } from "./manager/options.ts";
import { measureRound } from "./manager/rounds.ts";
import { rowOf } from "./manager/rows.ts";

// npm run --silent bench:manager -- --help

function print(row: object, json: boolean): void {
  const words = Object.entries(row).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  process.stdout.write(`${json ? JSON.stringify(row) : words.join("  ")}\n`);
}

const args = process.argv.slice(2);
await runTool(() => {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const options = parseOptions(args);
  for (const size of options.sizes) {
    for (const round of options.rounds)
      print(rowOf(round, size, measureRound(round, size, options.samples(size))), options.json);
  }
  return 0;
});
