// The house rules that no other tool checks: purity, sizes, proofs, names, sleeping tests, rules without tests.
// With --write it first fills the column "tests" of docs/RULES.md from the titles.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { listSourceFiles } from "./files.ts";
import { checkTidy, filesByRule, type SourceText } from "./tidy/check.ts";
import { refreshRulesPage } from "./tidy/rules-page.ts";

const root = join(import.meta.dirname, "..");
const sources = listSourceFiles(root).map((file): SourceText => {
  const bytes = readFileSync(join(root, file));
  return { file, text: bytes.includes(0) ? null : bytes.toString("utf8") };
});
const page = join(root, "docs/RULES.md");
if (process.argv.includes("--write"))
  writeFileSync(page, refreshRulesPage(readFileSync(page, "utf8"), filesByRule(sources)));
const findings = checkTidy(sources, readFileSync(page, "utf8"));
for (const { file, line, rule, message } of findings) console.error(`${file}:${line}: ${rule}: ${message}`);
console.log(`tidy: ${sources.length} files, ${findings.length} findings`);
process.exitCode = findings.length > 0 || sources.length === 0 ? 1 : 0;
