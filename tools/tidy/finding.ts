import ts from "typescript";

/** One thing to put right. */
export type Finding = { readonly file: string; readonly line: number; readonly rule: string; readonly message: string };

/** A TypeScript file, parsed once for all checks. */
export type ParsedFile = { readonly file: string; readonly text: string; readonly tree: ts.SourceFile };

export function parseFile(file: string, text: string): ParsedFile {
  return { file, text, tree: ts.createSourceFile(file, text, ts.ScriptTarget.ES2024, true) };
}

export function findingAt(parsed: ParsedFile, node: ts.Node, rule: string, message: string): Finding {
  const { line } = parsed.tree.getLineAndCharacterOfPosition(node.getStart(parsed.tree));
  return { file: parsed.file, line: line + 1, rule, message };
}

/** Visits every node of a file, parents first. */
export function walk(tree: ts.Node, visit: (node: ts.Node) => void): void {
  visit(tree);
  ts.forEachChild(tree, (child) => walk(child, visit));
}

export function isTestFile(file: string): boolean {
  return file.endsWith(".test.ts");
}
