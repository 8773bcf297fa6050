import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { editedCopies } from "./replica-edited.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-edited-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = Date.parse("2026-01-02T03:04:05Z");
const lineOf = (over: object = {}): string =>
  `${JSON.stringify({ schema: 1, file: "web-0.raw", pid: 7, command: "dd", at, ...over })}\n`;

test("[S21] what was noted is told in words: who, what, when, and how often", async () => {
  const wordsFor = async (text: string): Promise<string | undefined> => {
    writeFileSync(join(folder, "web-0.edited"), text);
    return (await editedCopies([folder]))[0]?.words;
  };
  expect(await wordsFor(lineOf())).toBe("dd (process 7) wrote web-0.raw at 2026-01-02T03:04:05.000Z");
  expect(await wordsFor(lineOf({ command: "?" }))).toContain("a process that is gone (process 7) wrote");
  expect(await wordsFor(lineOf({ pid: 0, command: "loop device loop3" }))).toMatch(/^loop device loop3 wrote/u);
  expect(await wordsFor(lineOf() + lineOf({ pid: 8 }))).toMatch(/, and 1 more$/u);
  // One that could not be written to its end counts all the same.
  for (const text of ["", '{"schema":1,"fi', "null\n", lineOf({ pid: "x" })])
    expect(await wordsFor(text)).toBe("somebody wrote it; what says who is damaged");
});

test("[S21] each folder is looked into, in the order of their names; one that is not there says nothing", async () => {
  for (const name of ["web-1.edited", "web-0.edited", "web-0.raw"]) writeFileSync(join(folder, name), lineOf());
  const found = await editedCopies([join(folder, "away"), folder]);
  expect(found.map(({ volume, note }) => [volume, note])).toEqual([
    ["web-0", join(folder, "web-0.edited")],
    ["web-1", join(folder, "web-1.edited")],
  ]);
});
