import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isProcessOf } from "../../src/adapters/linux/process.ts";
import { must } from "../../src/base/assert.ts";

const limitMs = 30_000;
const source = resolve(import.meta.dirname, "../support/dead-leader.c");
let folder: string;
let child: ChildProcess;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-end-"));
  const program = join(folder, "dead-leader");
  const image = join(folder, "image");
  writeFileSync(image, "");
  execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", program, source]);
  child = spawn(program, [image], { stdio: ["pipe", "pipe", "inherit"] });
});
afterEach(() => {
  child.stdin?.end();
  rmSync(folder, { recursive: true, force: true });
});

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const giveUpAt = performance.now() + limitMs; !holds(); await sleep(5))
    if (performance.now() > giveUpAt) throw new Error(`Waited in vain until ${what}`);
}

describe("the end of a process", () => {
  test("[S19] is that of its last thread: one that has a file open counts, though nothing says its name any more", async () => {
    const pid = must(child.pid, "Cannot test: it was not started");
    let said = "";
    child.stdout?.on("data", (text: Buffer) => {
      said += String(text);
    });
    // Before that an empty command line may be one that is not there yet.
    await until("it has the file open", () => said.includes("open"));
    await until("its first thread is gone", () => readFileSync(`/proc/${pid}/cmdline`, "utf8") === "");
    expect(isProcessOf(pid, folder)).toBe(true);
    child.stdin?.end();
    await until("nothing of it is left", () => !isProcessOf(pid, folder));
    expect(isProcessOf(process.pid, folder)).toBe(false);
  });
});
