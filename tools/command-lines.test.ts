import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { drawPlan } from "../src/sim/draw-plan.ts";

const root = join(import.meta.dirname, "..");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-tools-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function start(words: readonly string[]): ChildProcess {
  const env = { ...process.env, TMPDIR: folder };
  return spawn(process.execPath, words, { cwd: root, env, stdio: ["ignore", "ignore", "pipe"] });
}

function run(words: readonly string[]): Promise<{ readonly code: number | null; readonly said: string }> {
  const child = start(words);
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, said })));
}

test.each([
  "tools/sim.ts --seeds 1 --foo",
  "tools/sim.ts --seeds 0",
  "tools/sim.ts --seed -3",
  "tools/sim.ts --replay /nope",
  "tools/sim.ts --replay BROKEN",
  "tools/sim.ts --replay EMPTY",
  "tools/sim.ts --replay STRANGE",
  "tools/sim.ts --seeds 3 --seed 4",
  "tools/sim.ts --seeds 2 --trace --shrink",
  "tools/sim.ts --seed 4 --stop",
  "tools/sim.ts --seed 4 --json --trace",
  "tools/sim.ts --seed 4 --save /nope/plan.json",
  "tools/scenarios.ts --only no-such-story",
  "tools/mutants.ts --only nope",
  "bench/manager.ts --size 2/10",
])("%s: cause, effect and remedy instead of a stack", async (line) => {
  const broken = join(folder, "broken.json");
  writeFileSync(broken, "{");
  const empty = join(folder, "empty.json");
  writeFileSync(empty, '{"schema":1}');
  const strange = join(folder, "strange.json");
  writeFileSync(strange, JSON.stringify({ ...drawPlan("4"), events: [{ atMs: 1, kind: "no-such-fault" }] }));
  const files = line.replace("BROKEN", broken).replace("EMPTY", empty).replace("STRANGE", strange);
  const { code, said } = await run(files.split(" "));
  expect(code).toBe(2);
  expect(said).toMatch(/^\S.*\n {2}(?:Nothing|No bug) was \w+\.\n {2}\S/u);
  expect(said).not.toMatch(/^ +at /mu);
});

test.each([["SIGTERM", 143] as const, ["SIGINT", 130] as const])(
  "a hunt for planted bugs that gets a %s takes its workers and copies along",
  async (signal, code) => {
    const child = start(["tools/mutants.ts", "--json"]);
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    await expect.poll(() => childrenOf(child.pid).length, { timeout: 90_000 }).toBeGreaterThan(0);
    const workers = childrenOf(child.pid);
    expect(readdirSync(folder).some((name) => name.startsWith("holdfast-mutant-"))).toBe(true);
    child.kill(signal);
    expect(await ended).toBe(code);
    expect(readdirSync(folder)).toEqual([]);
    await expect.poll(() => workers.filter(runs)).toEqual([]);
  },
);

function childrenOf(pid: number | undefined): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return text.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** A zombie does not run. */
function runs(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}
