// The house rules that no other tool checks: purity, sizes, proofs, names, sleeping tests, rules without tests.
// With --write it first fills the table of docs/RULES.md from the files.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { listSourceFiles } from "./files.ts";
import { checkTidy, type SourceText } from "./tidy/check.ts";
import { checkCoverage, readCoverage, writeCoverage } from "./tidy/coverage.ts";

const root = join(import.meta.dirname, "..");
const sources = listSourceFiles(root).map((file): SourceText => {
  const bytes = readFileSync(join(root, file));
  return { file, text: bytes.includes(0) ? null : bytes.toString("utf8") };
});
const page = join(root, "docs/RULES.md");
const coverage = readCoverage(sources);
if (process.argv.includes("--write")) writeFileSync(page, writeCoverage(readFileSync(page, "utf8"), coverage));
const rulesText = readFileSync(page, "utf8");
const findings = [...checkTidy(sources, rulesText), ...checkCoverage(rulesText, coverage)];
for (const { file, line, rule, message } of findings) console.error(`${file}:${line}: ${rule}: ${message}`);
console.log(`tidy: ${sources.length} files, ${findings.length} findings`);
process.exitCode = findings.length > 0 || sources.length === 0 ? 1 : 0;
