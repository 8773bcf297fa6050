import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { applyEdit, editsOf, type Mutant, whyNotApplied } from "./mutant.ts";

export const root = join(import.meta.dirname, "..", "..");

/** What does not apply to the sources as they are, in words; empty: every mutant can be planted. */
export function unplantable(mutants: readonly Mutant[]): string[] {
  return mutants.flatMap((mutant) => {
    const whys = plantedFiles(mutant).flatMap(({ why }) => why ?? []);
    return whys.map((why) => `${mutant.id} no longer applies: ${why}`);
  });
}

type Planted = { readonly file: string; readonly text: string; readonly why: string | undefined };

/** Edits of one file follow each other, so that several may touch it. */
function plantedFiles(mutant: Mutant): Planted[] {
  const files = new Map<string, Planted>();
  for (const edit of editsOf(mutant)) {
    const before = files.get(edit.file) ?? { file: edit.file, text: readFileSync(join(root, edit.file), "utf8") };
    const why = ("why" in before ? before.why : undefined) ?? whyNotApplied(before.text, edit);
    const text = why === undefined ? applyEdit(before.text, edit) : before.text;
    files.set(edit.file, { file: edit.file, text, why });
  }
  return [...files.values()];
}

/** A folder that holds copies of `parts` of this tree; whoever asked for it removes it. */
export function copyTree(name: string, parts: readonly string[]): string {
  const dir = mkdtempSync(join(tmpdir(), `holdfast-mutant-${name}-`));
  for (const part of ["package.json", ...parts]) {
    mkdirSync(dirname(join(dir, part)), { recursive: true });
    cpSync(join(root, part), join(dir, part), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  return dir;
}

export function plant(mutant: Mutant, dir: string): void {
  for (const { file, text } of plantedFiles(mutant)) writeFileSync(join(dir, file), text);
}
