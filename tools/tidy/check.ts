import { checkBans, checkProof } from "./bans.ts";
import { type Finding, findingAt, isTestFile, parseFile } from "./finding.ts";
import { checkLinks } from "./links.ts";
import { checkLock } from "./lock-file.ts";
import { checkRules, readRulesPage } from "./rules-page.ts";
import { checkFileLength, checkFunctionLength } from "./sizes.ts";
import { checkSleepingTests, rulesInTitles } from "./tests.ts";
import { checkName, checkText } from "./text.ts";

/** A file's text, or null where it is none (an image). */
export type SourceText = { readonly file: string; readonly text: string | null };

/** All house rules that neither the compiler, the linter nor the boundary check knows. */
export function checkTidy(sources: readonly SourceText[], rulesText: string): Finding[] {
  const findings: Finding[] = [];
  const files = new Set(sources.map((source) => source.file));
  const tested = new Map<string, Pick<Finding, "file" | "line">>();
  for (const { file, text } of sources) {
    findings.push(...checkName(file));
    if (text === null) continue;
    findings.push(...checkText(file, text), ...checkFileLength(file, text), ...checkLinks(file, text, files));
    findings.push(...checkLock(file, text));
    if (!/\.(?:ts|tsx|mjs)$/u.test(file)) continue;
    const parsed = parseFile(file, text);
    findings.push(...checkBans(parsed), ...checkProof(parsed), ...checkFunctionLength(parsed));
    if (!isTestFile(file) && !file.startsWith("test/")) continue;
    findings.push(...checkSleepingTests(parsed));
    for (const { id, node } of rulesInTitles(parsed)) tested.set(id, findingAt(parsed, node, "rules", ""));
  }
  findings.push(...checkRules(readRulesPage(rulesText), tested, files));
  return findings;
}
