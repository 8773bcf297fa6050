import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { parseJson } from "../../model/json.ts";

// S21: what guard/holdfast-watch.c has noted of who else wrote images of copies. A note lies beside the images of its volume, and goes
// with them, or by whoever says by that that what was written was harmless. Nothing of a copy rests on it: it is told.

const lineSchema = z.object({ file: z.string(), pid: z.int(), command: z.string(), at: z.number() });

/** `words`: who wrote what and when; `note`: the file that says so. */
export type EditedCopy = { readonly volume: string; readonly words: string; readonly note: string };

const ending = ".edited";

/** All that lies in these folders, in the order of their names; a folder that cannot be read says nothing. */
export async function editedCopies(folders: readonly string[]): Promise<readonly EditedCopy[]> {
  const found: EditedCopy[] = [];
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names.filter((one) => one.endsWith(ending)).sort()) {
      const note = join(folder, name);
      const text = await readFile(note, "utf8").catch(() => undefined);
      if (text !== undefined) found.push({ volume: name.slice(0, -ending.length), words: wordsOf(text), note });
    }
  }
  return found;
}

/** The first one in full: what came after it is of less use to whoever looks for the cause. */
function wordsOf(text: string): string {
  const lines = text.split("\n").filter((line) => line !== "");
  const [first] = lines.flatMap((line) => lineSchema.safeParse(parseJson(line)).data ?? []);
  if (first === undefined) return "somebody wrote it; what says who is damaged";
  const { file, pid, command, at } = first;
  const who = pid > 0 ? `${command === "?" ? "a process that is gone" : command} (process ${pid})` : command;
  const more = lines.length > 1 ? `, and ${lines.length - 1} more` : "";
  return `${who} wrote ${file} at ${timeOf(at)}${more}`;
}

function timeOf(at: number): string {
  const time = new Date(at);
  return Number.isNaN(time.getTime()) ? "some time" : time.toISOString();
}
