import { relative } from "node:path";
import { cruise, type ICruiseResult } from "dependency-cruiser";
import { listSourceFiles } from "../files.ts";
import { boundaryRules } from "./rules.ts";

const roots = ["src", "lab", "bench", "console", "tools", "test"];

export type BoundaryReport = {
  readonly modules: number;
  readonly edges: number;
  /** One line each: who, whom, which rule and why. */
  readonly violations: readonly string[];
};

/**
 * Reads every TypeScript file under `root` and holds its imports, type-only ones included, against the arrows.
 * A file that the reader did not see, or a tree in which it saw hardly any import, is a violation too: a blind reader
 * (a TypeScript it does not know) would find nothing and be green.
 */
export async function checkBoundaries(root: string): Promise<BoundaryReport> {
  const expected = listSourceFiles(root).filter(
    (file) => /\.ts$/u.test(file) && roots.some((folder) => file.startsWith(`${folder}/`)),
  );
  const result = await readImports(root, expected);
  const own = result.modules.filter(
    (module) => /\.ts$/u.test(module.source) && !module.source.includes("node_modules"),
  );
  const seen = new Set(own.map((module) => relative(root, `${root}/${module.source}`)));
  const edges = own.reduce((sum, module) => sum + module.dependencies.length, 0);
  const violations = result.summary.violations.map((found) => {
    const way = found.cycle === undefined ? found.to : found.cycle.map((step) => step.name).join(" → ");
    const comment = result.summary.ruleSetUsed?.forbidden?.find((rule) => rule.name === found.rule.name)?.comment;
    return `${found.from} → ${way}  (${found.rule.name}: ${comment ?? ""})`;
  });
  for (const file of expected) if (!seen.has(file)) violations.push(`${file} was not read`);
  if (expected.length === 0) violations.push("no TypeScript file was found");
  if (edges < expected.length / 2)
    violations.push(`only ${edges} imports were seen in ${expected.length} files: the reader is blind`);
  return { modules: own.length, edges, violations };
}

async function readImports(root: string, files: readonly string[]): Promise<ICruiseResult> {
  const { output } = await cruise([...files], {
    baseDir: root,
    validate: true,
    ruleSet: { forbidden: boundaryRules() },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      extensions: [".ts", ".mjs", ".js", ".json"],
      conditionNames: ["import", "node", "types", "default"],
    },
  });
  if (typeof output === "string") throw new Error("Cannot read the imports: dependency-cruiser answered with text");
  return output;
}
