import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { LabError } from "../lab/lab-error.ts";
import { flag, oneOf, parseWords, runTool, text, textOr, wholeNumber } from "../lab/options.ts";
import { drawPlan } from "../src/sim/draw-plan.ts";
import { type SeedLayout, seedLayouts, type WorldPlan } from "../src/sim/plan.ts";
import { type SeedReport, Totals } from "../src/sim/report.ts";
import { shrink } from "../src/sim/shrink.ts";
import { renderStory } from "../src/sim/world/story.ts";
import { playMany, type Seeds } from "./sim/many.ts";
import { playOutside } from "./sim/outside.ts";
import { play } from "./sim/play.ts";
import { readPlan } from "./sim/read-plan.ts";

// npm run --silent sim -- --help

const usage = `usage: sim --seeds N [--first S] [--json] [--stop]   play N seeds from S (default 1) on all cores; --stop: end at the first failure
       sim --seed S [--trace] [--shrink] [--save FILE]  play one seed; --trace: its whole story; --shrink: find fewer events that fail alike
       sim --replay FILE [--trace] [--shrink]           play a recorded plan
       sim --outside [--json]                           play the stories beyond the guarantee: what is lost in each
--layout two, with --seeds or --seed: worlds of two hosts without a witness, a stream of seeds of its own, instead of three to
five hosts (--layout many, the default). The same number is another night there.
Exit code 0: everything held.`;

const shrinkRunsMax = 400;

function commitId(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown"; // a copy without its history
  }
}

const nothing = "Nothing was played.";

function row(report: SeedReport, layout: SeedLayout, commit: string): string {
  const { seed, failure, trace } = report;
  return JSON.stringify({
    seed: Number(seed),
    ...(layout === "many" ? {} : { layout }),
    commit,
    rule: failure?.rule,
    text: failure?.text,
    atMs: failure?.atMs,
    trace,
  });
}

async function many(seeds: Seeds, options: { json: boolean; stop: boolean }): Promise<number> {
  const commit = commitId();
  const totals = new Totals(seeds.layout);
  await playMany(seeds, (report) => {
    totals.add(report);
    if (report.failure === null) return true;
    if (options.json) console.log(row(report, seeds.layout, commit));
    else
      console.log(
        `seed ${report.seed}: ${report.failure.rule} ${report.failure.text}\n${report.trace.slice(-15).join("\n")}\n`,
      );
    return !options.stop;
  });
  const missing = totals.missing();
  for (const text of missing) {
    totals.violations += 1;
    console.log(
      options.json ? JSON.stringify({ seed: null, commit, rule: "COUNT", text, trace: [] }) : `COUNT ${text}`,
    );
  }
  const summary = totals.summary();
  console.log(options.json ? JSON.stringify(summary) : JSON.stringify(summary, null, 1));
  return totals.violations === 0 ? 0 : 1;
}

function one(plan: WorldPlan, options: { trace: boolean; shrink: boolean; save: string | undefined }): number {
  const played = play(plan, options.trace);
  const { failure } = played.report;
  let kept = plan;
  if (options.shrink && failure !== null) {
    kept = shrink(plan, (candidate) => play(candidate).report.failure?.rule === failure.rule, shrinkRunsMax);
  }
  if (options.save !== undefined) writeFileSync(options.save, `${JSON.stringify(kept, null, 1)}\n`);
  const shown = kept === plan ? played : play(kept, options.trace);
  if (options.trace) for (const event of shown.run.world.story.all()) console.log(renderStory(event));
  else for (const line of shown.report.trace) console.log(line);
  if (options.shrink) for (const event of kept.events) console.log(JSON.stringify(event));
  const end = shown.report.failure;
  console.log(end === null ? `seed ${plan.seed}: everything held` : `seed ${plan.seed}: ${end.rule} ${end.text}`);
  return end === null ? 0 : 1;
}

async function main(): Promise<number> {
  const options = {
    ...{ seeds: text, first: textOr("1"), seed: text, replay: text, save: text, layout: textOr("many") },
    ...{ json: flag, trace: flag, shrink: flag, stop: flag, outside: flag, help: flag },
  };
  const values = parseWords(process.argv.slice(2), options, nothing);
  const { trace, save } = values;
  const layout = oneOf("layout", values.layout, seedLayouts, nothing);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (values.outside) return playOutside(values.json) ? 0 : 1;
  if (values.replay !== undefined) return one(readPlan(values.replay), { trace, shrink: values.shrink, save });
  if (values.seed !== undefined)
    return one(drawPlan(String(wholeNumber("seed", values.seed, { min: 0 }, nothing)), layout), {
      ...{ trace, shrink: values.shrink, save },
    });
  if (values.seeds !== undefined) {
    const first = wholeNumber("first", values.first, { min: 0 }, nothing);
    const count = wholeNumber("seeds", values.seeds, { min: 1, max: 1_000_000 }, nothing);
    return many({ layout, first, count }, { json: values.json, stop: values.stop });
  }
  throw new LabError("It was not said what to play.", nothing, usage);
}

await runTool(main);
