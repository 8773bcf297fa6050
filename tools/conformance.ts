// Plays cases of the format ha-scenario/1 and holds each run against what its file expects:
// npm run --silent conformance -- [--cases DIR] [--only NAME] [--json]
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "../lab/lab-error.ts";
import { flag, parseWords, runTool, text } from "../lab/options.ts";
import { type Level, levels } from "../src/sim/reference/compare.ts";
import { type Played, rewriteCase } from "./conformance/case.ts";
import { isListed, type Listed, readDifferences, staleRows } from "./conformance/differences.ts";
import { playAll } from "./conformance/play-all.ts";

const usage = `usage: npm run --silent conformance -- [--cases DIR] [--only NAME] [--json]
  --cases DIR  the folder of the cases; else HOLDFAST_CASES, else ../shared/scenarios/reference
  --only NAME  cases whose name holds NAME
  --json       a row for each case, then the sums
  --rewrite    only with --cases: writes what was played into the files as their expectation; read the difference`;

const nothing = "No case was played.";
const root = join(import.meta.dirname, "..");

/** same: nothing differs. listed: it does, as docs/DIFFERENCES.md says. differs: it does, and nobody said so. */
type Verdict = "same" | "listed" | "differs";
type Row = { readonly name: string } & Readonly<Record<Level, Verdict>> & {
    readonly trace: "not comparable";
    readonly differences: Played["differences"];
  };

async function main(): Promise<number> {
  const options = { cases: text, only: text, json: flag, rewrite: flag, help: flag };
  const values = parseWords(process.argv.slice(2), options, nothing);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const folder = values.cases ?? process.env["HOLDFAST_CASES"] ?? join(root, "..", "shared", "scenarios", "reference");
  if (!existsSync(folder)) {
    console.error(`Skipped: the folder of the cases is not there (${folder}). Name it with --cases DIR.`);
    return 0;
  }
  const files = readdirSync(folder).filter((file) => file.endsWith(".json") && file !== "index.json");
  const wanted = files.filter((file) => file.includes(values.only ?? "")).sort();
  if (wanted.length === 0) {
    const which = values.only === undefined ? "" : ` with ${values.only} in its name`;
    throw new LabError(`${folder} holds no file *.json${which}.`, nothing, "See --cases and --only in --help.");
  }
  if (values.rewrite && values.cases !== undefined) for (const file of wanted) rewriteCase(join(folder, file));
  const answers = await playAll(wanted.map((file) => join(folder, file)));
  const troubles = answers.flatMap((answer) => ("trouble" in answer ? [answer.trouble] : []));
  const played = answers.flatMap((answer) => ("played" in answer ? [answer.played] : []));
  const list = readDifferences(readFileSync(join(root, "docs", "DIFFERENCES.md"), "utf8"));
  const rows = played.map((one) => rowOf(one, list));
  for (const row of rows) say(row, values.json);
  const complaints = [...troubles, ...staleRows(list, played)];
  for (const complaint of complaints) console.error(complaint);
  const sum = (level: Level, verdict: Verdict) => rows.filter((row) => row[level] === verdict).length;
  const [safety = 0, outcome = 0, paths = 0] = levels.map((level) => sum(level, "same"));
  const listed = { outcome: sum("outcome", "listed"), paths: sum("paths", "listed") };
  console.log(
    values.json
      ? JSON.stringify({ cases: wanted.length, safety, outcome, paths, listed })
      : `${wanted.length} cases: safety ${safety}, outcome ${outcome} (${listed.outcome} differ as listed), paths ${paths} (${listed.paths} differ as listed)`,
  );
  const unlisted = rows.some((row) => levels.some((level) => row[level] === "differs"));
  return complaints.length > 0 || unlisted ? 1 : 0;
}

function rowOf({ name, differences }: Played, list: readonly Listed[]): Row {
  const verdict = (level: Level): Verdict => {
    if (!differences.some((difference) => difference.level === level)) return "same";
    return isListed(list, name, level) ? "listed" : "differs";
  };
  return {
    name,
    safety: verdict("safety"),
    outcome: verdict("outcome"),
    paths: verdict("paths"),
    trace: "not comparable",
    differences,
  };
}

function say(row: Row, json: boolean): void {
  if (json) {
    console.log(JSON.stringify(row));
    return;
  }
  const told = levels.filter((level) => row[level] !== "same").map((level) => `${level} ${row[level]}`);
  console.log(`${row.name}: ${told.join(", ") || "same"}`);
  for (const { level, subject, wanted, got } of row.differences)
    console.log(`  ${level} of ${subject}\n    wanted  ${wanted}\n    got     ${got}`);
}

await runTool(main);
