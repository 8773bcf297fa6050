import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { flag, oneOf, parseWords, runTool, text, wholeNumber } from "../lab/options.ts";
import { drawPlan } from "../src/sim/draw-plan.ts";
import { type FaultEvent, type SeedLayout, seedLayouts, type WorldPlan } from "../src/sim/plan.ts";
import { type SeedReport, Totals } from "../src/sim/report.ts";
import { shrink } from "../src/sim/shrink.ts";
import { renderStory } from "../src/sim/world/story.ts";
import { playMany, type Seeds } from "./sim/many.ts";
import { playOutside } from "./sim/outside.ts";
import { play } from "./sim/play.ts";
import { readPlan } from "./sim/read-plan.ts";
import { checkCanSave, wayOf } from "./sim/ways.ts";

// npm run --silent sim -- --help

const usage = `usage: sim --seeds N [--first S] [--json] [--stop]   play N seeds from S (default 1) on all cores; --stop: end at the first failure
       sim --seed S [--trace] [--shrink] [--save FILE]  play one seed; --trace: its whole story; --shrink: find fewer events that fail alike
       sim --seed S --json [--save FILE]                the same as one row, as of a failure among many; rule null: it held
       sim --replay FILE [--trace] [--shrink] [--json]  play a recorded plan
       sim --outside [--json]                           play the stories beyond the guarantee: what is lost in each
--layout LAYOUT, with --seeds or --seed: another stream of seeds than many (the default: three to five hosts); two: two hosts without
a witness; local: as many, and half of the VMs have their disks with their host alone. The same number is another night in each.
A row's commit ends in +changes where the tree had changes that were not committed.
Exit code 0: everything held.`;

const shrinkRunsMax = 400;

function commitId(): string {
  const git = (...words: string[]): string =>
    execFileSync("git", words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    const id = git("rev-parse", "--short", "HEAD");
    return git("status", "--porcelain") === "" ? id : `${id}+changes`;
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
    rule: failure?.rule ?? null,
    text: failure?.text ?? null,
    atMs: failure === null ? null : rounded(failure.atMs),
    trace,
  });
}

/** Sums of milliseconds carry a noise far behind the point. What is saved to be replayed keeps it. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

function eventLine(event: FaultEvent): string {
  const times = { atMs: rounded(event.atMs), ...(event.forMs === undefined ? {} : { forMs: rounded(event.forMs) }) };
  return JSON.stringify({ ...event, ...times });
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

type Showing = {
  readonly layout: SeedLayout;
  readonly json: boolean;
  readonly trace: boolean;
  readonly shrink: boolean;
  readonly save: string | undefined;
};

function one(plan: WorldPlan, options: Showing): number {
  const played = play(plan, options.trace);
  const { failure } = played.report;
  const shrinks = options.shrink && failure !== null;
  const kept = shrinks
    ? shrink(plan, (candidate) => play(candidate).report.failure?.rule === failure.rule, shrinkRunsMax)
    : plan;
  if (options.save !== undefined) writeFileSync(options.save, `${JSON.stringify(kept, null, 1)}\n`);
  const shown = kept === plan ? played : play(kept, options.trace);
  const end = shown.report.failure;
  if (options.json) {
    console.log(row(shown.report, options.layout, commitId()));
    return end === null ? 0 : 1;
  }
  if (options.trace) for (const event of shown.run.world.story.all()) console.log(renderStory(event));
  else for (const line of shown.report.trace) console.log(line);
  if (shrinks) for (const event of kept.events) console.log(eventLine(event));
  console.log(end === null ? `seed ${plan.seed}: everything held` : `seed ${plan.seed}: ${end.rule} ${end.text}`);
  return end === null ? 0 : 1;
}

async function main(): Promise<number> {
  const options = {
    ...{ seeds: text, first: text, seed: text, replay: text, save: text, layout: text },
    ...{ json: flag, trace: flag, shrink: flag, stop: flag, outside: flag, help: flag },
  };
  const values = parseWords(process.argv.slice(2), options, nothing);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const { json, trace, shrink: shrinks, save } = values;
  const way = wayOf(values, nothing, usage);
  const layout = oneOf("layout", values.layout ?? "many", seedLayouts, nothing);
  if (save !== undefined) checkCanSave(save, nothing);
  const showing = { layout, json, trace, shrink: shrinks, save };
  switch (way) {
    case "outside":
      return playOutside(json) ? 0 : 1;
    case "replay":
      return one(readPlan(values.replay ?? ""), showing);
    case "seed":
      return one(drawPlan(String(wholeNumber("seed", values.seed ?? "", { min: 0 }, nothing)), layout), showing);
    case "seeds": {
      const first = wholeNumber("first", values.first ?? "1", { min: 0 }, nothing);
      const count = wholeNumber("seeds", values.seeds ?? "", { min: 1, max: 1_000_000 }, nothing);
      return many({ layout, first, count }, { json, stop: values.stop });
    }
  }
}

await runTool(main);
