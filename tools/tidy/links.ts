import { posix } from "node:path";
import type { Finding } from "./finding.ts";

/** Links between pages lead to files and folders that exist: a text that drifts is worse than none. */
export function checkLinks(file: string, text: string, files: ReadonlySet<string>): Finding[] {
  if (!file.endsWith(".md")) return [];
  const findings: Finding[] = [];
  for (const [index, line] of text.split("\n").entries())
    for (const [, target = ""] of line.matchAll(/\]\(([^)\s]+)\)/gu)) {
      if (/^(?:[a-z]+:|#)/u.test(target)) continue;
      const path = posix.join(posix.dirname(file), target.replace(/#.*$/u, "")).replace(/\/$/u, "");
      const exists = files.has(path) || [...files].some((other) => other.startsWith(`${path}/`));
      if (!exists) findings.push({ file, line: index + 1, rule: "link", message: `${target} does not exist` });
    }
  return findings;
}
