import ts from "typescript";
import { type Finding, findingAt, type ParsedFile, walk } from "./finding.ts";

const testCalls = /^(?:describe|test|it|suite|bench)$/u;
const sleeping = ["skip", "only", "todo", "fails"];

/** No test sleeps: what is skipped today is forgotten tomorrow. `skipIf` is allowed, lanes.ts wants its reason. */
export function checkSleepingTests(parsed: ParsedFile): Finding[] {
  const findings: Finding[] = [];
  walk(parsed.tree, (node) => {
    if (!ts.isPropertyAccessExpression(node) || !sleeping.includes(node.name.text)) return;
    if (testCalls.test(rootName(node)))
      findings.push(findingAt(parsed, node, "sleeping-test", `.${node.name.text}: run it or remove it`));
  });
  return findings;
}

function rootName(node: ts.Expression): string {
  if (ts.isPropertyAccessExpression(node)) return rootName(node.expression);
  return ts.isIdentifier(node) ? node.text : "";
}

/** Rule ids in the titles of this file's tests: `[S3] …`, `[S3, S4] …`. */
export function rulesInTitles(parsed: ParsedFile): { readonly id: string; readonly node: ts.Node }[] {
  const found: { id: string; node: ts.Node }[] = [];
  walk(parsed.tree, (node) => {
    const isTitle = ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateHead(node);
    const ids = isTitle ? /^\[([A-Z]+\d+(?:[ ,]+[A-Z]+\d+)*)\]/u.exec(node.text)?.[1] : undefined;
    for (const id of ids?.split(/[ ,]+/u) ?? []) found.push({ id, node });
  });
  return found;
}
