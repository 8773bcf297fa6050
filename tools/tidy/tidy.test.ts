import { expect, test } from "vitest";
import { checkTidy } from "./check.ts";
import { cLinesMax, fileLinesMax, functionLinesMax } from "./sizes.ts";

const coverage = "## Coverage\n\n| S1 | — |\n| S2 | — |\n\n";
const rules = `### S1 Incarnations\n\n### S2 Deadline\n\n${coverage}## Open\n\n- S2: the guard is not written yet\n`;
const titled = { file: "test/properties/a.test.ts", text: 'test("[S1] an incarnation", () => {});\n' };

/** The findings for one planted file beside a tidy rest. */
function findings(file: string, text: string): string[] {
  return checkTidy([titled, { file, text }], rules).map((finding) => `${finding.rule}: ${finding.message}`);
}

/** Planted text is put together, so that the check of this repository does not find it here. */
const bad: readonly (readonly [rule: string, file: string, text: string])[] = [
  ["pure", "src/core/x.ts", "export async function x() {}"],
  ["pure", "src/core/x.ts", "export const x = async () => 1;"],
  ["pure", "src/manager/x.ts", "export const x = await y;"],
  ["pure", "src/agent/x.ts", "for await (const x of y) z(x);"],
  ["pure", "src/core/x.ts", "export type X = Promise<number>;"],
  ["pure", "src/core/x.ts", "export const x = Date.now();"],
  ["pure", "src/heart/x.ts", "export const x = new Date();"],
  ["pure", "src/core/x.ts", "export const x = Math.random();"],
  ["pure", "src/core/x.ts", "export const x = process.pid;"],
  ["pure", "src/base/x.ts", "setTimeout(x, 1);"],
  ["pure", "src/model/x.ts", "export const x = performance.now();"],
  ["pure", "src/core/x.ts", "export const x = a.localeCompare(b);"],
  ["pure", "src/core/x.ts", "console.log(1);"],
  ["pure", "src/core/x.ts", "export const x = globalThis;"],
  ["pure", "src/ports/x.ts", "export const x = fetch;"],
  ["pure", "src/core/x.ts", "export const x = { process };"],
  ["pure", "src/core/x.ts", "queueMicrotask(x);"],
  ["pure", "src/sim/x.ts", "export const x = Math.random();"],
  ["pure", "src/runtime/x.ts", "export const x = Date.now();"],
  ["catch", "src/core/x.ts", "try { x(); } catch { y(); }"],
  ["catch", "src/sim/x.ts", "x().catch(y);"],
  ["catch", "src/api/client/x.ts", "try { x(); } catch { y(); }"],
  ["proof", "src/manager/x.ts", "export const x = y as FenceProof;"],
  ["proof", "src/core/x.ts", "export const x = y as unknown as FenceProof;"],
  ["proof", "test/properties/x.test.ts", "export const x = {} as FenceProof | null;"],
  ["proof", "src/agent/x.ts", "export type FenceProof = 1;"],
  ["size", "src/cli/x.ts", "//\n".repeat(fileLinesMax + 1)],
  ["size", "guard/x.c", "//\n".repeat(cLinesMax + 1)],
  ["size", "lab/x.ts", `function x() {${"\n".repeat(functionLinesMax)}}`],
  ["size", "lab/x.ts", `function x() {\nfunction y() {${"\n".repeat(functionLinesMax)}}\n}`],
  ["pure", "src/core/x.ts", "export const x = (process: P) => y;\nexport const z = process.pid;"],
  ["size", "lab/x.ts", `const x = { y() {${"\n".repeat(functionLinesMax)}} };`],
  ["sleeping-test", "src/core/x.test.ts", 'test.skip("x", () => {});'],
  ["sleeping-test", "test/lab/x.test.ts", 'describe.concurrent.only("x", () => {});'],
  ["sleeping-test", "test/lab/x.test.ts", 'it.todo("x");'],
  ["unfinished", "src/core/x.ts", `// TO${"DO"}: think`],
  ["unfinished", "guard/x.c", `/* FIX${"ME"} */`],
  ["machine-path", "docs/x.md", `see /${"work"}/main`],
  ["machine-path", "lab/x.ts", `const x = "/${"root"}/.ssh";`],
  ["machine-path", ".npmrc", `regis${"try"}=https://example.invalid/`],
  ["machine-path", "docs/x.md", `http:${"//"}registry.example.invalid/a`],
  ["machine-path", "package-lock.json", `{"packages":{"a":{\n"resolved": "https:${"//"}example.invalid/a.tgz"}}}`],
  ["lock", "package-lock.json", '{"packages":{"node_modules/a":{"optionalDependencies":{"a-win32-x64":"1.0.0"}}}}'],
  ["name", "src/core/fenceProof.ts", ""],
  ["name", "src/Core/x.ts", ""],
  ["name", "test/properties/a_b.test.ts", ""],
  ["link", "docs/a/x.md", "see [this](../gone.md#part)"],
  ["rules", "src/core/x.test.ts", 'test("[S99] no such rule", () => {});'],
];

for (const [rule, file, text] of bad)
  test(`tidy finds ${rule} in ${file}: ${text.split("\n", 1)[0]}`, () => {
    expect(findings(file, text).join("\n")).toMatch(new RegExp(`^${rule}: `, "mu"));
  });

const good: readonly (readonly [file: string, text: string])[] = [
  ["src/core/x.ts", "export const x = { process: 1, date: y.Date, console: y.console.fetch };"],
  ["src/core/x.ts", "// Date.now() and await are only words here; /hosts/root/ is a key\nexport const x = 'async';"],
  ["src/core/x.ts", "export const x = (process: P) => process.startedAt;\nexport const y = ({ crypto }: P) => crypto;"],
  ["src/core/x.ts", "for (const process of list) { const performance = process; use(performance); }"],
  ["lab/x.ts", `function x() {${"\n".repeat(40)}function y() {${"\n".repeat(40)}}\n}`],
  ["src/core/x.ts", "try { x(); } finally { y(); }"],
  ["src/adapters/x.ts", "try { await x(Date.now()); } catch { y(); }"],
  ["src/core/fencing.ts", "export type FenceProof = { a: 1 };\nexport const x = y as FenceProof;"],
  ["src/core/x.test.ts", "test('x', async () => { await y(Date.now()); });"],
  ["src/model/json.ts", "try { x(); } catch { y(); }"],
  ["src/core/x.ts", `// TO${"DO"}(#12): think`],
  ["test/lab/x.test.ts", `describe("x", () => {test("y", z);${"\n".repeat(functionLinesMax + 1)}});`],
  ["test/contracts/x.ts", `export function suite() { for (const a of b) test(a, c);${"\n".repeat(functionLinesMax)}}`],
  ["test/lab/x.test.ts", 'test.skipIf(noKvm)("x", () => {});'],
  ["docs/ARCHITECTURE.md", "//\n".repeat(fileLinesMax + 1)],
  ["docs/a/x.md", "[a](../../test/properties/a.test.ts) [b](#here) [c](https://example.invalid/) [d](../../test)"],
  [".npmrc", "omit-lockfile-registry-resolved=true"],
  ["CHANGELOG.unreleased.md", "at work/main and in network/rootfs/x"],
];

for (const [file, text] of good)
  test(`tidy leaves ${file} alone: ${text.split("\n", 1)[0]}`, () => {
    expect(findings(file, text)).toEqual([]);
  });

test("tidy wants each rule in a test's title or openly missing, with a reason", () => {
  const said = (page: string) => checkTidy([titled], page).map((finding) => finding.message);
  expect(said(rules)).toEqual([]);
  expect(said(`### S1 A\n\n### S2 B\n${coverage}`)).toEqual(['S2 is in no test\'s title and not under "Open"']);
  expect(said("### S1 A\n## Coverage\n| S1 | — |\n## Open\n\n- S7: is not a rule at all\n")).toEqual([
    "S7 is open but no rule",
  ]);
  expect(said(`### S1 A\n\n### S2 B\n${coverage}## Open\n\n- S2: later\n`)).toEqual(["S2 is open without a reason"]);
  expect(said("### S1 A\n")).toEqual(['S1 has no row under "Coverage"']);
  expect(said("### S1 A\n## Coverage\n| S1 | `test/gone.test.ts` |\n")).toEqual([
    "S1 names test/gone.test.ts, which does not exist",
  ]);
  expect(said("nothing\n")).toContain("no rule was found: each has a heading `### ID Title`");
});

test("tidy reads several rules from one title, from templates too", () => {
  const text = `test("[S1, S2] both", () => {}); for (const x of y) test(\`[S2] \${x}\`, () => {});`;
  const page = `### S1 A\n\n### S2 B\n${coverage}`;
  expect(checkTidy([{ file: "src/core/x.test.ts", text }], page)).toEqual([]);
});
