// The house rules that no other tool checks: purity, sizes, proofs, names, sleeping tests, rules without tests.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { listSourceFiles } from "./files.ts";
import { checkTidy, type SourceText } from "./tidy/check.ts";

const root = join(import.meta.dirname, "..");
const sources = listSourceFiles(root).map((file): SourceText => {
  const bytes = readFileSync(join(root, file));
  return { file, text: bytes.includes(0) ? null : bytes.toString("utf8") };
});
const findings = checkTidy(sources, readFileSync(join(root, "docs/RULES.md"), "utf8"));
for (const { file, line, rule, message } of findings) console.error(`${file}:${line}: ${rule}: ${message}`);
console.log(`tidy: ${sources.length} files, ${findings.length} findings`);
process.exitCode = findings.length > 0 || sources.length === 0 ? 1 : 0;
