import type { Finding } from "./finding.ts";

const slash = "/";
/** Put together here so that this file does not find itself. */
const patterns: readonly (readonly [RegExp, string, string])[] = [
  [pathPattern("work"), "machine-path", "a path of one machine"],
  [pathPattern("root"), "machine-path", "a path of one machine; ask the environment for the home folder"],
  [
    new RegExp(`https?:${slash}{2}[^\\s"'<>)]*\\b(?:registry|artifactory|nexus|mirror|proxy)\\b`, "iu"),
    "machine-path",
    "a package registry's address: which one is used is each machine's own affair",
  ],
  [/^\s*registry\s*=/mu, "machine-path", "a registry setting: which one is used is each machine's own affair"],
  [/"resolved":/u, "machine-path", "a lock file with addresses: run npm with this repository's .npmrc"],
];
const unfinished = new RegExp(`\\b(?:${["TO", "DO"].join("")}|${["FIX", "ME"].join("")})\\b(?!\\s*\\(#\\d+\\))`, "u");

function pathPattern(folder: string): RegExp {
  return new RegExp(`(?:^|[^\\w.@~$}-])${slash}${folder}${slash}`, "u");
}

/** What must stand in no file of the repository. */
export function checkText(file: string, text: string): Finding[] {
  const findings: Finding[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    for (const [pattern, rule, message] of patterns)
      if (pattern.test(line) && (rule !== "machine-path" || !isOwnWord(file, line, pattern)))
        findings.push({ file, line: index + 1, rule, message });
    if (unfinished.test(line))
      findings.push({ file, line: index + 1, rule: "unfinished", message: "left open without an issue's number (#N)" });
  }
  return findings;
}

/** `"resolved":` is an address only in a lock file. */
function isOwnWord(file: string, line: string, pattern: RegExp): boolean {
  return pattern.source.includes("resolved") && (file !== "package-lock.json" || !line.includes("http"));
}

/** Upper-case names that readers expect, the rest is kebab-case. */
const wellKnown = /(?:^|\/)(?:[A-Z]+(?:-[A-Z]+)*(?:\.unreleased)?\.md|LICENSE|Makefile|holdfast)$/u;
const kebab = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*$/u;

export function checkName(file: string): Finding[] {
  const bad = file.split("/").filter((part) => !part.startsWith(".") && !kebab.test(part));
  if (bad.length === 0 || wellKnown.test(file)) return [];
  return [{ file, line: 1, rule: "name", message: `${bad.join(", ")}: file and folder names are kebab-case` }];
}
