import ts from "typescript";
import { type Finding, findingAt, type ParsedFile, walk } from "./finding.ts";

export const fileLinesMax = 400;
/** The guard stays one file, and one that is read in one sitting. */
export const cLinesMax = 550;
export const functionLinesMax = 70;

/** Files that are long by nature: generated, quoted or foreign text. */
const longByNature = [/^package-lock\.json$/u, /^LICENSE$/u, /\.proto$/u, /^docs\//u, /\.md$/u];

/** Every text file of ours, the guard's C included. */
export function checkFileLength(file: string, text: string): Finding[] {
  const lines = text.split("\n").length - 1;
  const most = file.endsWith(".c") ? cLinesMax : fileLinesMax;
  if (lines <= most || longByNature.some((pattern) => pattern.test(file))) return [];
  return [{ file, line: most + 1, rule: "size", message: `${lines} lines, at most ${most}: split it` }];
}

/** Lines of functions declared inside count for themselves: a function that only holds others is like a class. */
export function checkFunctionLength(parsed: ParsedFile): Finding[] {
  const findings: Finding[] = [];
  walk(parsed.tree, (node) => {
    if (!ts.isFunctionLike(node) || isSuiteBody(node)) return;
    const lines = ownLines(parsed, node);
    if (lines > functionLinesMax)
      findings.push(findingAt(parsed, node, "size", `a function of ${lines} lines, at most ${functionLinesMax}`));
  });
  return findings;
}

function ownLines(parsed: ParsedFile, node: ts.Node): number {
  const lineOf = (position: number) => parsed.tree.getLineAndCharacterOfPosition(position).line;
  let lines = lineOf(node.getEnd()) - lineOf(node.getStart(parsed.tree)) + 1;
  const subtract = (child: ts.Node) => {
    if (ts.isFunctionDeclaration(child)) lines -= lineOf(child.getEnd()) - lineOf(child.getStart(parsed.tree)) + 1;
    else ts.forEachChild(child, subtract);
  };
  ts.forEachChild(node, subtract);
  return lines;
}

/** A function whose statements are tests only holds them together, as `describe(…, () => { … })` does. */
function isSuiteBody(node: ts.SignatureDeclaration): boolean {
  const body = "body" in node ? node.body : undefined;
  return body !== undefined && ts.isBlock(body) && body.statements.some(isTestStatement);
}

function isTestStatement(statement: ts.Statement): boolean {
  if (ts.isForOfStatement(statement)) return isTestStatement(statement.statement);
  if (!ts.isExpressionStatement(statement) || !ts.isCallExpression(statement.expression)) return false;
  return /^(?:test|it|describe)\b/u.test(statement.expression.expression.getText());
}
