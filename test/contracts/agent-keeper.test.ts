import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AgentServer, serveAgents } from "../../src/adapters/linux/heart-socket.ts";

const hungMs = 1_000;
const long = { timeout: 30_000 };
/** An agent as the heart sees it: it says who it is, and that it lives, as long as its loop turns. */
const agentScript = `
  const socket = require("node:net").connect(process.argv[1]);
  socket.write(JSON.stringify({ agent: { pid: process.pid } }) + "\\n");
  setInterval(() => socket.write(JSON.stringify({ alive: { poolAgeMs: null } }) + "\\n", () => console.log("said")), 50);
  process.on("SIGUSR2", () => { for (;;); });`;

describe("The heart and a hung agent", () => {
  let folder: string;
  let heart: AgentServer;
  let lines: string[];
  let words = 0;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "hf-agent-"));
    lines = [];
    heart = serveAgents(join(folder, "heart.sock"), (line) => lines.push(line), hungMs);
    heart.listen(() => {
      words += 1;
    });
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    heart.close();
    rmSync(folder, { recursive: true });
  });

  async function startAgent(): Promise<ChildProcess> {
    const child = spawn(process.execPath, ["-e", agentScript, join(folder, "heart.sock")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    let said = 0;
    child.stdout.on("data", () => {
      said += 1;
    });
    await expect.poll(() => said, long).toBeGreaterThan(0);
    return child;
  }

  test.each([
    ["stopped", "SIGSTOP"],
    ["blocked in a loop of its own", "SIGUSR2"],
  ] as const)("[S13] an agent that is %s is ended, and that is said", async (_, signal) => {
    const child = await startAgent();
    child.kill(signal);
    await expect.poll(() => child.signalCode, long).toBe("SIGKILL");
    expect(lines).toEqual([expect.stringContaining(`pid ${child.pid}`)]);
  });

  test("[S13] one that speaks is left alone, also after another one was ended", async () => {
    const [good, bad] = [await startAgent(), await startAgent()];
    bad.kill("SIGSTOP");
    await expect.poll(() => bad.signalCode, long).toBe("SIGKILL");
    const before = words;
    await expect.poll(() => words, long).toBeGreaterThan(before + 10);
    expect([good.exitCode, good.signalCode]).toEqual([null, null]);
  });
});
