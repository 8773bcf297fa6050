import { readFileSync } from "node:fs";
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import { inputTrouble, pathOf } from "../api/contract/input-trouble.ts";
import { type VmCreateInput, vmCreateSchema } from "../api/contract/vm.ts";
import { render } from "../model/messages/index.ts";
import { type CliTrouble, fail } from "./trouble.ts";

/** Name and memory may come from the command line instead; whatever is there must fit. */
const specSchema = vmCreateSchema.partial();

/** Reads a spec file strictly: an unknown field is an error, not a wish that is dropped. */
export function readSpecFile(file: string): Partial<VmCreateInput> {
  return parseSpec(file, readText(file));
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const cause = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw fail("spec-file-unreadable", { file, cause }, 2);
  }
}

export function parseSpec(file: string, text: string): Partial<VmCreateInput> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = document.errors[0];
  if (broken !== undefined) throw brokenAt(file, lines, broken.pos[0], broken.message);
  const parsed = specSchema.safeParse(document.toJS() ?? {});
  const issue = parsed.error?.issues[0];
  if (issue === undefined) return document.toJS() ?? {};
  const { code, params } = inputTrouble(issue, document.toJS());
  const { cause, remedy } = render(code, params);
  throw brokenAt(file, lines, offsetOf(document, pathOf(issue)), `${cause} ${remedy ?? ""}`.trim());
}

/** Where the value stands, or its nearest parent that stands anywhere. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range !== undefined && node.range !== null) return node.range[0];
  }
  return 0;
}

function brokenAt(file: string, lines: LineCounter, offset: number, problem: string): CliTrouble {
  const { line, col } = lines.linePos(offset);
  return fail("spec-file-broken", { file, line: Math.max(1, line), column: Math.max(1, col), problem }, 2);
}
