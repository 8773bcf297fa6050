import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const cases = process.env["HOLDFAST_CASES"] ?? join(root, "..", "shared", "scenarios", "reference");

test.skipIf(!existsSync(cases))("the reference's cases end as it does, or differ as docs/DIFFERENCES.md says", () => {
  const run = spawnSync("node", ["tools/conformance.ts", "--cases", cases, "--json"], { cwd: root, encoding: "utf8" });
  const rows = run.stdout.trim().split("\n");
  const sums = JSON.parse(rows.at(-1) ?? "{}");
  const unlisted = rows.filter((row) => row.includes('"differs"'));
  expect(run.stderr).toBe("");
  expect(unlisted).toEqual([]);
  expect(sums.safety).toBe(sums.cases);
  expect(run.status).toBe(0);
});
