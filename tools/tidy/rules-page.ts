import type { Finding } from "./finding.ts";

const page = "docs/RULES.md";

/**
 * The rules of docs/RULES.md: each has a heading `### S3 …` and a row `| S3 | … |` under `## Coverage`; what is open
 * stands as `- S3: reason` or `- S3 (checker): reason` under `## Open`.
 */
export type RulesPage = {
  readonly rules: ReadonlyMap<string, number>;
  /** The files that the coverage rows name, by rule. */
  readonly covered: ReadonlyMap<string, readonly string[]>;
  readonly open: ReadonlyMap<string, string>;
};

export function readRulesPage(text: string): RulesPage {
  const rules = new Map<string, number>();
  const covered = new Map<string, readonly string[]>();
  const open = new Map<string, string>();
  let chapter = "";
  for (const [index, line] of text.split("\n").entries()) {
    if (line.startsWith("## ")) chapter = line.slice(3).trim();
    const rule = /^### ([A-Z]+\d+) /u.exec(line)?.[1];
    if (rule !== undefined) rules.set(rule, index + 1);
    const [, id, reason] = (chapter === "Open" ? /^- ([A-Z]+\d+)(?: \([a-z ]+\))?: (.*)$/u.exec(line) : null) ?? [];
    if (id !== undefined && reason !== undefined) open.set(id, reason);
    const row = chapter === "Coverage" ? /^\| ([A-Z]+\d+) +\|/u.exec(line)?.[1] : undefined;
    if (row !== undefined)
      covered.set(
        row,
        [...line.matchAll(/`([^`]*\/[^`]*)`/gu)].map((match) => match[1] ?? ""),
      );
  }
  return { rules, covered, open };
}

/** Every rule is in a test's title or openly missing; every id in a title or in the open list is a rule. */
export function checkRules(
  rulesPage: RulesPage,
  tested: ReadonlyMap<string, Pick<Finding, "file" | "line">>,
  files: ReadonlySet<string>,
): Finding[] {
  const findings: Finding[] = [];
  const add = (line: number, message: string) => findings.push({ file: page, line, rule: "rules", message });
  if (rulesPage.rules.size === 0) add(1, "no rule was found: each has a heading `### ID Title`");
  for (const [id, line] of rulesPage.rules)
    if (!tested.has(id) && !rulesPage.open.has(id)) add(line, `${id} is in no test's title and not under "Open"`);
  for (const id of rulesPage.rules.keys()) if (!rulesPage.covered.has(id)) add(1, `${id} has no row under "Coverage"`);
  for (const [id, named] of rulesPage.covered)
    for (const file of named) if (!files.has(file)) add(1, `${id} names ${file}, which does not exist`);
  for (const [id, reason] of rulesPage.open) {
    if (!rulesPage.rules.has(id)) add(1, `${id} is open but no rule`);
    if (reason.trim().length < 10) add(1, `${id} is open without a reason`);
  }
  for (const [id, where] of tested)
    if (!rulesPage.rules.has(id)) findings.push({ ...where, rule: "rules", message: `${id} is no rule of ${page}` });
  return findings;
}
