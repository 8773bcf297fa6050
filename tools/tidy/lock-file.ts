import { type LockFile, missingOptional } from "../setup/lock.mjs";
import type { Finding } from "./finding.ts";

/** A lock file that `npm ci` refuses is found here, not on a stranger's fresh clone. */
export function checkLock(file: string, text: string): Finding[] {
  if (file !== "package-lock.json") return [];
  const missing = missingOptional(JSON.parse(text) as LockFile);
  if (missing.length === 0) return [];
  const message = `${missing.length} optional packages are missing, npm ci will refuse it: node tools/complete-lock.mjs`;
  return [{ file, line: 1, rule: "lock", message }];
}
