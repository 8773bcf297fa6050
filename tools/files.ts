import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Every file of the repository that is not ignored, relative to `root`, in order. Needs no git: a bare copy is checked too. */
export function listSourceFiles(root: string): readonly string[] {
  const ignored = readIgnored(root);
  const files: string[] = [];
  const visit = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (ignored(entry.name)) continue;
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile()) files.push(path);
    }
  };
  visit("");
  return files.sort();
}

/** This repository's .gitignore holds plain names and `*.ending` only; anything else is refused, not misread. */
function readIgnored(root: string): (name: string) => boolean {
  const names = new Set([".git"]);
  const endings: string[] = [];
  for (const line of readFileSync(join(root, ".gitignore"), "utf8").split("\n")) {
    const pattern = line.trim().replace(/\/$/u, "");
    if (pattern === "" || pattern.startsWith("#")) continue;
    if (/^\*\.\w+$/u.test(pattern)) endings.push(pattern.slice(1));
    else if (/^[\w.-]+$/u.test(pattern)) names.add(pattern);
    else
      throw new Error(`Cannot read the pattern ${pattern} of .gitignore: only NAME and *.ENDING are understood here`);
  }
  return (name) => names.has(name) || endings.some((ending) => name.endsWith(ending));
}
