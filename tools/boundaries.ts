// Holds every import of the repository against the arrows of docs/ARCHITECTURE.md (tools/boundaries/arrows.ts).
import { join } from "node:path";
import { checkBoundaries } from "./boundaries/check.ts";

const report = await checkBoundaries(join(import.meta.dirname, ".."));
for (const violation of report.violations) console.error(violation);
console.log(`boundaries: ${report.modules} files, ${report.edges} imports, ${report.violations.length} violations`);
process.exitCode = report.violations.length > 0 ? 1 : 0;
