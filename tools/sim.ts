import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { drawPlan } from "../src/sim/draw-plan.ts";
import type { WorldPlan } from "../src/sim/plan.ts";
import { type SeedReport, Totals } from "../src/sim/report.ts";
import { shrink } from "../src/sim/shrink.ts";
import { renderStory } from "../src/sim/world/story.ts";
import { playMany } from "./sim/many.ts";
import { playOutside } from "./sim/outside.ts";
import { play } from "./sim/play.ts";

// npm run --silent sim -- --help

const usage = `usage: sim --seeds N [--first S] [--json] [--stop]   play N seeds from S (default 1) on all cores; --stop: end at the first failure
       sim --seed S [--trace] [--shrink] [--save FILE]  play one seed; --trace: its whole story; --shrink: find fewer events that fail alike
       sim --replay FILE [--trace] [--shrink]           play a recorded plan
       sim --outside [--json]                           play the stories beyond the guarantee: what is lost in each
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

function number(text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`Cannot use ${text}: a whole number is needed.\n${usage}`);
  process.exit(2);
}

function readPlan(path: string): WorldPlan {
  const plan: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (typeof plan === "object" && plan !== null && "schema" in plan && plan.schema === 1) return plan as WorldPlan;
  console.error(`Cannot replay ${path}: it is no recorded plan of schema 1. Record one with --seed S --save FILE.`);
  process.exit(2);
}

function row(report: SeedReport, commit: string): string {
  const { seed, failure, trace } = report;
  return JSON.stringify({
    seed: Number(seed),
    commit,
    rule: failure?.rule,
    text: failure?.text,
    atMs: failure?.atMs,
    trace,
  });
}

async function many(first: number, count: number, options: { json: boolean; stop: boolean }): Promise<number> {
  const commit = commitId();
  const totals = new Totals();
  await playMany(first, count, (report) => {
    totals.add(report);
    if (report.failure === null) return true;
    if (options.json) console.log(row(report, commit));
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
  const { values } = parseArgs({
    options: {
      seeds: { type: "string" },
      first: { type: "string" },
      seed: { type: "string" },
      replay: { type: "string" },
      save: { type: "string" },
      json: { type: "boolean", default: false },
      trace: { type: "boolean", default: false },
      shrink: { type: "boolean", default: false },
      stop: { type: "boolean", default: false },
      outside: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { trace, save } = values;
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (values.outside) return playOutside(values.json) ? 0 : 1;
  if (values.replay !== undefined) return one(readPlan(values.replay), { trace, shrink: values.shrink, save });
  if (values.seed !== undefined)
    return one(drawPlan(String(number(values.seed, 1))), { trace, shrink: values.shrink, save });
  if (values.seeds !== undefined)
    return many(number(values.first, 1), number(values.seeds, 50), { json: values.json, stop: values.stop });
  console.error(usage);
  return 2;
}

process.exitCode = await main();
