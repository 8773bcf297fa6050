import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const file = join(import.meta.dirname, "..", "..", "package.json");
const { scripts } = JSON.parse(readFileSync(file, "utf8")) as { scripts: Readonly<Record<string, string>> };
const commands = Object.entries(scripts).filter(([, line]) => line.includes(".ts"));

test("each command sets a fresh clone up first, and gets the signals that npm gets", () => {
  expect(commands.length).toBeGreaterThan(8);
  for (const [name, line] of commands) {
    expect([name, line.startsWith("exec node ")]).toEqual([name, true]);
    expect([name, scripts[`pre${name}`]?.startsWith("node tools/setup.mjs")]).toEqual([name, true]);
  }
});
