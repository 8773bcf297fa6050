import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { checkBoundaries } from "./check.ts";

const repository = join(import.meta.dirname, "..", "..");
const made: string[] = [];
afterEach(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true });
});

/** A small repository of its own. Every file exists as an empty module as soon as another one imports it. */
function tree(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "holdfast-boundaries-"));
  made.push(root);
  const all = { ...skeleton, ...files };
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
  return root;
}

const skeleton = {
  ".gitignore": "node_modules\n",
  "package.json":
    '{"name":"planted","type":"module","dependencies":{"zod":"4.6.7"},"devDependencies":{"vitest":"5.1.1"}}',
  "src/base/a.ts": "export const a = 1;\nexport type A = 1;\n",
  "src/model/m.ts": 'import { a } from "../base/a.ts";\nexport const m = a;\n',
  "src/core/c.ts": 'import { m } from "../model/m.ts";\nexport const c = m;\n',
  "src/core/limits.ts": "export const limits = { deadlineMs: 5000 };\n",
  "src/adapters/e.ts": 'import { limits } from "../core/limits.ts";\nexport const e = limits;\n',
  "src/ports/p.ts": 'import type { m } from "../model/m.ts";\nexport type P = typeof m;\n',
  "src/manager/g.ts": 'import { c } from "../core/c.ts";\nexport const g = c;\n',
  "src/agent/t.ts": 'import { c } from "../core/c.ts";\nexport const t = c;\n',
  "src/heart/h.ts": 'import { c } from "../core/c.ts";\nexport const h = c;\n',
  "src/runtime/r.ts": 'import { g } from "../manager/g.ts";\nexport const r = g;\n',
  "src/adapters/d.ts": 'import { readFileSync } from "node:fs";\nexport const d = readFileSync;\n',
  "src/sim/s.ts": 'import { r } from "../runtime/r.ts";\nexport const s = r;\n',
  "src/api/contract/k.ts": 'import { z } from "zod";\nexport const k = z;\n',
  "src/api/client/l.ts": 'import { k } from "../contract/k.ts";\nexport const l = k;\n',
  "src/api/client/socket-y.ts": 'import { request } from "node:http";\nexport const y = request;\n',
  "src/api/server/v.ts": 'import { k } from "../contract/k.ts";\nexport const v = k;\n',
  "src/cli/i.ts": 'import { l } from "../api/client/l.ts";\nexport const i = l;\n',
  "src/cli/simulate.ts": 'import { s } from "../sim/s.ts";\nexport const simulate = s;\n',
  "src/main/n.ts": 'import { d } from "../adapters/d.ts";\nexport const n = d;\n',
  "lab/b.ts": 'import { d } from "../src/adapters/d.ts";\nexport const b = d;\n',
};

test("a tree that keeps to the arrows has no violation", async () => {
  const report = await checkBoundaries(tree({}));
  expect(report.violations).toEqual([]);
  expect(report.modules).toBe(Object.keys(skeleton).length - 2);
});

const planted: readonly (readonly [rule: string, file: string, text: string])[] = [
  ["base-arrows", "src/base/x.ts", 'import { m } from "../model/m.ts";\nexport const x = m;\n'],
  ["model-arrows", "src/model/x.ts", 'import { c } from "../core/c.ts";\nexport const x = c;\n'],
  ["model-arrows", "src/model/x.ts", 'import type { P } from "../ports/p.ts";\nexport type X = P;\n'],
  ["limits-arrows", "src/core/limits.ts", 'import { c } from "./c.ts";\nexport const x = c;\n'],
  ["core-arrows", "src/core/x.ts", 'import { g } from "../manager/g.ts";\nexport const x = g;\n'],
  ["ports-arrows", "src/ports/x.ts", 'import type { c } from "../core/c.ts";\nexport type X = typeof c;\n'],
  ["manager-arrows", "src/manager/x.ts", 'import { t } from "../agent/t.ts";\nexport const x = t;\n'],
  ["agent-arrows", "src/agent/x.ts", 'import { h } from "../heart/h.ts";\nexport const x = h;\n'],
  ["heart-arrows", "src/heart/x.ts", 'import { r } from "../runtime/r.ts";\nexport const x = r;\n'],
  ["runtime-arrows", "src/runtime/x.ts", 'import { d } from "../adapters/d.ts";\nexport const x = d;\n'],
  ["adapters-arrows", "src/adapters/x.ts", 'import { c } from "../core/c.ts";\nexport const x = c;\n'],
  ["sim-arrows", "src/sim/x.ts", 'import { d } from "../adapters/d.ts";\nexport const x = d;\n'],
  ["contract-arrows", "src/api/contract/x.ts", 'import { v } from "../server/v.ts";\nexport const x = v;\n'],
  ["server-arrows", "src/api/server/x.ts", 'import { d } from "../../adapters/d.ts";\nexport const x = d;\n'],
  ["client-arrows", "src/api/client/x.ts", 'import type { P } from "../../ports/p.ts";\nexport type X = P;\n'],
  ["cli-arrows", "src/cli/x.ts", 'import { v } from "../api/server/v.ts";\nexport const x = v;\n'],
  ["cli-arrows", "src/cli/x.ts", 'import { s } from "../sim/s.ts";\nexport const x = s;\n'],
  ["imagining-arrows", "src/cli/whatif.ts", 'import { d } from "../adapters/d.ts";\nexport const x = d;\n'],
  ["main-arrows", "src/main/x.ts", 'import { s } from "../sim/s.ts";\nexport const x = s;\n'],
  ["console-arrows", "console/x.ts", 'import { c } from "../src/core/c.ts";\nexport const x = c;\n'],
  ["lab-arrows", "lab/x.ts", 'import { s } from "../src/sim/s.ts";\nexport const x = s;\n'],
  ["bench-arrows", "bench/x.ts", 'import { s } from "../src/sim/s.ts";\nexport const x = s;\n'],
  ["no-test-code-in-the-product", "src/main/x.ts", 'import { b } from "../../lab/b.ts";\nexport const x = b;\n'],
  ["core-without-node", "src/core/x.ts", 'import type { Stats } from "node:fs";\nexport type X = Stats;\n'],
  ["client-without-node", "src/api/client/x.ts", 'import { request } from "node:http";\nexport const x = request;\n'],
  ["heart-without-node", "src/heart/x.ts", 'import { hostname } from "node:os";\nexport const x = hostname;\n'],
  ["base-packages", "src/base/x.ts", 'import { z } from "zod";\nexport const x = z;\n'],
  ["zod-at-the-edge", "src/cli/x.ts", 'import { z } from "zod";\nexport const x = z;\n'],
  ["declared-packages", "src/main/x.ts", 'import { test } from "vitest";\nexport const x = test;\n'],
  ["resolvable", "src/main/x.ts", 'import { gone } from "./gone.ts";\nexport const x = gone;\n'],
];

for (const [rule, file, text] of planted)
  test(`${rule} finds ${text.split("\n", 1)[0]} in ${file}`, async () => {
    const report = await checkBoundaries(tree({ [file]: text }));
    expect(report.violations.join("\n")).toContain(`(${rule}:`);
  });

test("no-cycles finds two files that import each other, types included", async () => {
  const report = await checkBoundaries(
    tree({
      "src/core/x.ts": 'import type { Y } from "./y.ts";\nexport type X = Y;\n',
      "src/core/y.ts": 'import type { X } from "./x.ts";\nexport type Y = X | 1;\n',
    }),
  );
  expect(report.violations.join("\n")).toContain("(no-cycles:");
});

test("a reader that sees no imports is not green", async () => {
  const lonely = Object.fromEntries(Object.keys(skeleton).map((file) => [file, "export const x = 1;\n"]));
  const report = await checkBoundaries(tree({ ...lonely, ".gitignore": "node_modules\n", "package.json": "{}" }));
  expect(report.violations.join("\n")).toContain("the reader is blind");
});
