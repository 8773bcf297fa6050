import { Command, CommanderError } from "@commander-js/extra-typings";
import type { Params } from "../model/reason.ts";
import type { Io } from "./io.ts";
import type { Session } from "./session.ts";
import { CliTrouble, type ExitCode, troubleJson, troubleText } from "./trouble.ts";
import { asTyped } from "./typed-fields.ts";

/** What every command gets. The client and its libraries load only when a command asks for its session. */
export type Cli = {
  readonly io: Io;
  readonly session: () => Promise<Session>;
  /** Prints exactly what the contract gave. */
  readonly json: (output: unknown) => void;
};

export type Group = (program: Command, cli: Cli) => void;

/** Every command shows how it is used. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`;
}

export const jsonOption = ["--json", "print the answer as JSON, as the contract describes it"] as const;

export const acceptOption = ["--accept", "carry it out although it breaks what the cluster bears now"] as const;

/** Runs one command line. Never throws for what a user or a daemon does. */
export async function runCli(argv: readonly string[], io: Io, groups: readonly Group[]): Promise<ExitCode> {
  const program = new Command("holdfast")
    .description("Keeps virtual machines running when hosts die.")
    .option("--socket <path>", "the daemon's API socket (or env HOLDFAST_SOCKET)")
    .addHelpText(
      "after",
      `${examples("holdfast cluster status", "holdfast vm list --json", "holdfast log --follow", "holdfast explain web")}

Exit codes: 0 done, 1 refused, 2 not understood, 3 no answer.`,
    );
  let asked: Session | undefined;
  const cli: Cli = {
    io,
    session: async () => {
      const { openSession } = await import("./session.ts");
      asked = await openSession(io, program.opts().socket);
      return asked;
    },
    json: (output) => io.out(`${JSON.stringify(output, null, 2)}\n`),
  };
  for (const group of groups) group(program, cli);
  const troubles = troublesTo(io, argv);
  prepare(program, io, troubles);
  try {
    await program.parseAsync(withoutVainHelp(program, argv), { from: "user" });
    return 0;
  } catch (error) {
    return exitCodeOf(asked === undefined ? error : await asOfOtherVersion(error, asked), troubles);
  }
}

const helpWords = ["--help", "-h"];

/** Help for a command that there is none of would be that of the words before it: it is to be refused like the command itself. */
function withoutVainHelp(program: Command, argv: readonly string[]): string[] {
  let at: { readonly commands: Command["commands"] } = program;
  for (const [i, word] of argv.entries()) {
    if (word.startsWith("-") || argv[i - 1] === "--socket") continue;
    const next = at.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (next === undefined) {
      const isVain = at.commands.length > 0 && word !== "help";
      return argv.filter((one) => !isVain || !helpWords.includes(one));
    }
    at = next;
  }
  return [...argv];
}

/** What the daemon answered lacks something that this command shows: most likely the two are not of one version. */
async function asOfOtherVersion(error: unknown, asked: Session): Promise<unknown> {
  if (!(error instanceof TypeError)) return error;
  const version = await asked
    .call((client) => client.cluster.status())
    .then(
      (status) => status.version,
      () => "?",
    );
  const where = /([\w.-]+\.ts:\d+)/u.exec(error.stack ?? "")?.[1] ?? "?";
  return new CliTrouble(3, "daemon-answer-not-understood", { cause: `${error.message}, at ${where}`, version });
}

/** Commander copies these settings to a subcommand only when it is made; setting them last reaches all. */
function prepare(command: Command, io: Io, troubles: Troubles): void {
  command.exitOverride();
  command.configureOutput({
    writeOut: io.out,
    writeErr: io.err,
    outputError: (text) => troubles.notUnderstood(text.replace(/^error: /u, "").trim()),
  });
  refuseTwice(command);
  for (const sub of command.commands) prepare(sub as Command, io, troubles);
}

/** Which of two values was meant nobody knows; by itself the last one would count. */
function refuseTwice(command: Command): void {
  for (const option of command.options) {
    if (option.variadic || !(option.required || option.optional)) continue;
    let isGiven = false;
    command.on(`option:${option.name()}`, () => {
      if (isGiven) command.error(`error: option '${option.flags}' is given more than once`);
      isGiven = true;
    });
  }
}

type Troubles = {
  readonly tell: (code: string, params: Params) => void;
  /** Commander's own words on a command line that it could not take apart. */
  readonly notUnderstood: (words: string) => void;
};

/** Whoever asks for JSON gets troubles as JSON, too: one line on stderr. */
function troublesTo(io: Io, argv: readonly string[]): Troubles {
  const json = wantsJson(argv);
  // A program goes by the contract's own names.
  const tell = (code: string, params: Params) =>
    io.err(json ? troubleJson(code, params) : troubleText(code, asTyped(code, params, argv)));
  return { tell, notUnderstood: (words) => tell("command-not-understood", { words }) };
}

function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? undefined : end).includes("--json");
}

function exitCodeOf(error: unknown, troubles: Troubles): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof CliTrouble) {
    troubles.tell(error.code, error.params);
    return error.exitCode;
  }
  throw error;
}
