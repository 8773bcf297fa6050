import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { namespacesOf, type RunRecord, readRecords, removeDeadRuns } from "../../lab/record.ts";
import { leftOf } from "./leftovers.ts";

const entry = join(import.meta.dirname, "../../lab/main.ts");
const long = { timeout: 60_000, interval: 50 };

type Lab = { readonly child: ChildProcess; readonly output: () => string; readonly code: Promise<number | null> };
const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  removeDeadRuns();
});

function startLab(...args: readonly string[]): Lab {
  return startWith(process.env, args);
}

function startWith(env: NodeJS.ProcessEnv, args: readonly string[]): Lab {
  const child = spawn(process.execPath, [entry, "--hosts", "1", ...args], { stdio: ["ignore", "pipe", "pipe"], env });
  started.push(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const code = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { child, output: () => text, code };
}

async function recordOf(lab: Lab): Promise<RunRecord> {
  const find = (): RunRecord | undefined => readRecords().find((record) => record.pid === lab.child.pid);
  await expect.poll(find, long).toBeDefined();
  const record = find();
  if (record === undefined) throw new Error("the lab has ended meanwhile");
  return record;
}

function runToEnd(...args: readonly string[]): Promise<{ code: number; text: string; pid: number }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [entry, ...args], (error, stdout, stderr) => {
      const code = typeof error?.code === "number" ? error.code : 0;
      resolve({ code, text: stdout + stderr, pid: child.pid ?? 0 });
    });
  });
}

describe("npm run lab", () => {
  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s cleans up everything", async (signal) => {
    const lab = startLab();
    await expect.poll(lab.output, long).toContain("Ctrl-C ends the lab");
    const { run, dir } = await recordOf(lab);
    expect(leftOf(run, dir)).not.toEqual([]);
    lab.child.kill(signal);
    lab.child.kill(signal); // npm passes a second one on
    expect(await lab.code).toBeGreaterThan(128);
    expect(lab.output()).toMatch(/The lab has ended; everything of it was removed\.\n$/u);
    expect(leftOf(run, dir)).toEqual([]);
  });

  it("a signal in the middle of the start cleans up too", async () => {
    const lab = startLab();
    const { run, dir } = await recordOf(lab);
    lab.child.kill("SIGTERM");
    expect(await lab.code).toBe(143);
    expect(leftOf(run, dir)).toEqual([]);
  });

  it("what does not go in the middle of the start is said, and the lab ends all the same", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hf-entry-"));
    const path = process.env["PATH"] ?? "";
    const script = `#!/bin/sh\n[ "$1 $2" = "netns del" ] && exit 1\nPATH='${path}' exec ip "$@"\n`;
    writeFileSync(join(folder, "ip"), script);
    chmodSync(join(folder, "ip"), 0o755);
    const lab = startWith({ ...process.env, PATH: `${folder}:${path}` }, []);
    const { run, dir } = await recordOf(lab);
    await expect.poll(() => namespacesOf(run), long).not.toEqual([]);
    lab.child.kill("SIGTERM");
    expect(await lab.code).toBe(1);
    expect(lab.output()).toMatch(/The lab could not remove .*\n.*They stay until the next start/u);
    expect(lab.output()).not.toContain("everything of it was removed");
    rmSync(folder, { recursive: true });
    removeDeadRuns();
    expect(leftOf(run, dir)).toEqual([]);
  });

  it("what a killed lab left is removed by the next one, which leaves a living one alone", async () => {
    const living = startLab();
    await expect.poll(living.output, long).toContain("Ctrl-C ends the lab");
    const killed = startLab();
    await expect.poll(killed.output, long).toContain("Ctrl-C ends the lab");
    const [alive, dead] = [await recordOf(living), await recordOf(killed)];
    killed.child.kill("SIGKILL");
    await killed.code;
    expect(leftOf(dead.run, dead.dir)).not.toEqual([]);
    const next = startLab();
    await expect.poll(next.output, long).toContain(`Removed what the dead lab ${dead.run} had left.`);
    expect(leftOf(dead.run, dead.dir)).toEqual([]);
    expect((await runToEnd("fault", "heal", "--run", alive.run)).code).toBe(0);
    for (const lab of [living, next]) lab.child.kill("SIGTERM");
    await Promise.all([living.code, next.code]);
  });

  it("a port in use ends the lab with the remedy, and nothing is left", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const { code, text, pid } = await runToEnd("--hosts", "1", "--port", String(port));
    taken.close();
    expect(code).toBe(1);
    expect(text).toContain("in use");
    expect(text).not.toContain("Starting");
    expect(text).toContain("--port N");
    expect(readRecords().filter((record) => record.pid === pid)).toEqual([]);
  });

  it.each([
    [["--hosts", "0"], "--hosts 0"],
    [["--profile", "quick"], "default, fast"],
    [["--speed"], "--speed"],
    [["fault", "heal", "--run", "ffffff"], "No lab"],
  ])("refuses %j", async (args, words) => {
    const { code, text } = await runToEnd(...args);
    expect(code).not.toBe(0);
    expect(text).toContain(words);
  });
});
