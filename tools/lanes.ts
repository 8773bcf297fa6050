// Runs a lane of checks and suites: node tools/lanes.ts ok|test|long [--only NAME,NAME]
// The last line is always `N passed, N failed`.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { listSourceFiles } from "./files.ts";
import { countProject, type Row, renderFailures, renderTable, renderTotal, type VitestReport } from "./lanes/report.ts";
import { passSignals, runStep, stopSignal } from "./lanes/run.ts";
import { allowedSkips, awaited, type LaneName, lanes, type Project, projectFolders, type Step } from "./lanes/steps.ts";

const root = join(import.meta.dirname, "..");
const env: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: [join(root, "node_modules", ".bin"), process.env["PATH"]].join(delimiter),
  HOLDFAST_LANE: "1",
};

async function main(): Promise<number> {
  const [name, ...options] = process.argv.slice(2);
  if (name === undefined || !isLane(name)) {
    console.error(`Usage: node tools/lanes.ts ${Object.keys(lanes).join("|")} [--only NAME,NAME]`);
    return 2;
  }
  const steps = pickSteps(lanes[name], options);
  if (steps === null) return 2;
  process.chdir(root);
  passSignals();
  const rows: Row[] = [];
  const reports: VitestReport[] = [];
  for (const step of steps) {
    if (stopSignal() !== null) break;
    rows.push(...(step.kind === "check" ? await runCheck(step) : await runSuite(step, reports)));
  }
  const signal = stopSignal();
  if (signal !== null) rows.push({ name: "(rest)", passed: 0, failed: 1, seconds: null, note: `stopped by ${signal}` });
  for (const failure of renderFailures(reports, root)) console.log(`\nFAILED ${failure}`);
  console.log(`\n${renderTable(rows)}\n`);
  console.log(renderTotal(rows));
  if (signal !== null) return signal === "SIGINT" ? 130 : 143;
  return rows.some((row) => row.failed > 0) || rows.every((row) => row.passed === 0) ? 1 : 0;
}

function isLane(name: string): name is LaneName {
  return Object.hasOwn(lanes, name);
}

function pickSteps(steps: readonly Step[], options: readonly string[]): readonly Step[] | null {
  if (options.length === 0) return steps;
  const wanted = options[0] === "--only" ? (options[1] ?? "").split(",") : [];
  const picked = steps.filter((step) => wanted.includes(step.name));
  if (picked.length === wanted.length) return picked;
  console.error(`--only takes names of this lane's steps: ${steps.map((step) => step.name).join(", ")}`);
  return null;
}

async function runCheck(step: Step & { kind: "check" }): Promise<Row[]> {
  const why = step.name === "dead code" ? awaited.get(step.name) : undefined;
  if (why !== undefined) return [notYet(step.name, why)];
  console.log(`\n── ${step.name}`);
  const end = await runStep(step.command, env, step.limitMinutes);
  return [{ name: step.name, passed: end.ok ? 1 : 0, failed: end.ok ? 0 : 1, seconds: end.seconds, note: end.note }];
}

function notYet(name: string, why: string): Row {
  return { name, passed: 0, failed: 0, seconds: null, note: `not there yet: ${why}` };
}

/** Puts what vitest reported into `reports`. */
async function runSuite(step: Step & { kind: "suite" }, reports: VitestReport[]): Promise<Row[]> {
  const rows = step.projects.map(rowWithoutRun);
  const present = step.projects.filter((_, i) => rows[i] === null);
  if (present.length === 0) return rows.filter((row) => row !== null);
  console.log(`\n── ${step.name}`);
  const dir = mkdtempSync(join(tmpdir(), "holdfast-lane-"));
  const file = join(dir, "report.json");
  const end = await runStep(["node", "tools/lanes/run-vitest.ts", file, ...present], env, step.limitMinutes);
  const report = readReport(file);
  rmSync(dir, { recursive: true });
  if (report === null) return [{ name: step.name, passed: 0, failed: 1, seconds: end.seconds, note: "no report" }];
  reports.push(report);
  const counted = step.projects.map((project, i) => rows[i] ?? countProject(project, report, root, allowedSkips));
  const explained = end.ok || counted.some((row) => row.failed > 0);
  return [
    ...counted,
    { name: step.name, passed: 0, failed: explained ? 0 : 1, seconds: end.seconds, note: explained ? "" : end.note },
  ];
}

/** A project that cannot run: awaited, missing, or awaited though it is there. Null: it runs. */
function rowWithoutRun(project: Project): Row | null {
  const files = listSourceFiles(root).filter(
    (file) => file.endsWith(".test.ts") && projectFolders[project].some((folder) => file.startsWith(`${folder}/`)),
  );
  const why = awaited.get(project);
  if (files.length > 0 && why === undefined) return null;
  if (files.length === 0 && why !== undefined) return notYet(project, why);
  const note =
    files.length === 0
      ? `no test file under ${projectFolders[project].join(" or ")}`
      : "is there now: take it off the list `awaited` in tools/lanes/steps.ts";
  return { name: project, passed: 0, failed: 1, seconds: null, note };
}

function readReport(file: string): VitestReport | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as VitestReport;
  } catch {
    return null; // vitest died before it could write one; the lane fails for that
  }
}

process.exitCode = await main();
