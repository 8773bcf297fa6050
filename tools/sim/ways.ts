import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { LabError } from "../../lab/lab-error.ts";
import { wrongWords } from "../../lab/options.ts";

/** What goes with each way to say what is to be played; anything else beside it would be left out in silence. */
const besides = {
  seeds: ["first", "layout", "json", "stop"],
  seed: ["layout", "json", "trace", "shrink", "save"],
  replay: ["json", "trace", "shrink", "save"],
  outside: ["json"],
} as const;
type Way = keyof typeof besides;

type Words = Readonly<Record<string, string | boolean | undefined>>;

/** The way that was chosen. Throws `LabError` where none was, where two were, or with words that do not go with it. */
export function wayOf(words: Words, effect: string, usage: string): Way {
  const given = Object.keys(words).filter((name) => words[name] !== undefined && words[name] !== false);
  const [way, other] = (Object.keys(besides) as Way[]).filter((name) => given.includes(name));
  if (way === undefined) throw new LabError("It was not said what to play.", effect, usage);
  if (other !== undefined)
    throw wrongWords(`--${way} and --${other} are two ways to say what is to be played.`, effect);
  const allowed: readonly string[] = besides[way];
  const stray = given.find((name) => name !== way && !allowed.includes(name));
  if (stray !== undefined) throw wrongWords(`--${stray} does not go with --${way}.`, effect);
  const told = ["trace", "shrink"].find((name) => given.includes(name));
  if (words["json"] === true && told !== undefined)
    throw wrongWords(`--${told} is for people and --json for programs: they do not go together.`, effect);
  return way;
}

/** Before anything is played for minutes: the file can be written, as far as its folder tells. */
export function checkCanSave(path: string, effect: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) throw new Error("it is a folder");
  } catch (error) {
    const cause = `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}.`;
    throw new LabError(cause, effect, "Name a file in a folder that is there.");
  }
}
