import ts from "typescript";
import { type Finding, findingAt, isTestFile, type ParsedFile, walk } from "./finding.ts";
import { isBoundLocally } from "./scope.ts";

/** Everything that can hurt a VM is decided here, without waiting and without asking the machine anything. */
const pureFolders = ["base", "model", "core", "manager", "agent", "heart", "ports"].map((name) => `src/${name}/`);
/** Reach the world through ports alone: the same seed must give the same run. */
const portFolders = ["runtime", "sim"].map((name) => `src/${name}/`);
const quietFolders = [...pureFolders, "src/sim/", "src/api/contract/", "src/api/client/"];
/** JSON.parse has no other way to say no. */
const catchExceptions = ["src/model/json.ts"];

const globals = new Map([
  ["Date", "the clock comes through ports/clock"],
  ["process", "the process belongs to src/main"],
  ["performance", "the clock comes through ports/clock"],
  ["console", "say it as an effect or an event"],
  ["globalThis", "it hides what is used"],
  ["fetch", "the network comes through a port"],
  ["setTimeout", "wake up through ports/clock"],
  ["setInterval", "wake up through ports/clock"],
  ["setImmediate", "wake up through ports/clock"],
  ["crypto", "chance comes through ports/random"],
]);
const members = new Map([
  ["random", { object: "Math", why: "chance comes through ports/random or a seed" }],
  ["localeCompare", { object: null, why: "it depends on the machine: use base/order" }],
  ["toLocaleString", { object: null, why: "it depends on the machine" }],
]);
const asyncWhy = "what waits is no decision: emit an effect, take the completion as an event";

export function checkBans(parsed: ParsedFile): Finding[] {
  const { file } = parsed;
  if (isTestFile(file)) return [];
  const inFolder = (folders: readonly string[]) => folders.some((folder) => file.startsWith(folder));
  const pure = inFolder(pureFolders);
  const findings: Finding[] = [];
  const add = (node: ts.Node, rule: string, message: string) => findings.push(findingAt(parsed, node, rule, message));
  walk(parsed.tree, (node) => {
    if (pure || inFolder(portFolders)) checkWorld(node, add);
    if (pure) checkAsync(node, add);
    if (inFolder(quietFolders) && !catchExceptions.includes(file)) checkCatch(node, add);
  });
  return findings;
}

type Add = (node: ts.Node, rule: string, message: string) => void;

function checkWorld(node: ts.Node, add: Add): void {
  if (ts.isPropertyAccessExpression(node)) {
    const member = members.get(node.name.text);
    if (member !== undefined && (member.object === null || node.expression.getText() === member.object))
      add(node, "pure", `${node.name.text}: ${member.why}`);
  }
  if (!ts.isIdentifier(node) || isMemberName(node)) return;
  const why = globals.get(node.text);
  if (why !== undefined && !isBoundLocally(node)) add(node, "pure", `${node.text}: ${why}`);
}

/** True where the identifier only names a member: `effect.process`, `{ process: 1 }`, `process(): void`. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isQualifiedName(parent)) return parent.right === node;
  const named =
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isMethodDeclaration(parent);
  return named && parent.name === node;
}

function checkAsync(node: ts.Node, add: Add): void {
  if (node.kind === ts.SyntaxKind.AsyncKeyword) add(node, "pure", `async: ${asyncWhy}`);
  if (ts.isIdentifier(node) && node.text === "queueMicrotask") add(node, "pure", `queueMicrotask: ${asyncWhy}`);
  if (ts.isAwaitExpression(node)) add(node, "pure", `await: ${asyncWhy}`);
  if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) add(node, "pure", `for await: ${asyncWhy}`);
  if (ts.isIdentifier(node) && node.text === "Promise" && !isMemberName(node))
    add(node, "pure", `Promise: ${asyncWhy}`);
}

function checkCatch(node: ts.Node, add: Add): void {
  const message = "failures are data here; a broken assertion must reach the top";
  if (ts.isTryStatement(node) && node.catchClause !== undefined) add(node.catchClause, "catch", message);
  if (ts.isPropertyAccessExpression(node) && node.name.text === "catch") add(node, "catch", message);
}

/** A proof is issued in one file alone: the one that declares its type; nobody else may cast to it (S9, S10). */
export function checkProof(parsed: ParsedFile): Finding[] {
  const findings: Finding[] = [];
  let declares = false;
  const casts: ts.Node[] = [];
  walk(parsed.tree, (node) => {
    if (ts.isTypeAliasDeclaration(node) && node.name.text === "FenceProof") declares = true;
    const cast = ts.isAsExpression(node) || ts.isTypeAssertionExpression(node) ? node.type : undefined;
    if (cast !== undefined && /\bFenceProof\b/u.test(cast.getText(parsed.tree))) casts.push(node);
  });
  const home = parsed.file.startsWith("src/core/");
  if (declares && !home)
    findings.push(findingAt(parsed, parsed.tree, "proof", "FenceProof is declared in src/core alone"));
  if (!(declares && home))
    for (const cast of casts)
      findings.push(findingAt(parsed, cast, "proof", "only the file that declares FenceProof may issue one"));
  return findings;
}
