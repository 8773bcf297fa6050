import { Command, CommanderError } from "@commander-js/extra-typings";
import type { Io } from "./io.ts";
import type { Session } from "./session.ts";
import { CliTrouble, type ExitCode, partsText, troubleText } from "./trouble.ts";

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
  const cli: Cli = {
    io,
    session: async () => {
      const { openSession } = await import("./session.ts");
      return openSession(io, program.opts().socket);
    },
    json: (output) => io.out(`${JSON.stringify(output, null, 2)}\n`),
  };
  for (const group of groups) group(program, cli);
  prepare(program, io);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return 0;
  } catch (error) {
    return exitCodeOf(error, io);
  }
}

/** Commander copies these settings to a subcommand only when it is made; setting them last reaches all. */
function prepare(command: Command, io: Io): void {
  command.exitOverride();
  command.configureOutput({
    writeOut: io.out,
    writeErr: io.err,
    outputError: (text, write) => {
      const cause = text.replace(/^error: /u, "").trim();
      write(partsText(cause, "Nothing was asked.", "See the same command with --help.", null));
    },
  });
  for (const sub of command.commands) prepare(sub as Command, io);
}

function exitCodeOf(error: unknown, io: Io): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof CliTrouble) {
    io.err(troubleText(error.code, error.params));
    return error.exitCode;
  }
  throw error;
}
