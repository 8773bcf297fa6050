import { render } from "../model/messages/index.ts";
import type { Params } from "../model/reason.ts";

/** 1: refused. 2: the command was not understood. 3: no answer, or none that says how it went. */
export type ExitCode = 0 | 1 | 2 | 3;

/** Ends the command with a message that has cause, effect and remedy. */
export class CliTrouble extends Error {
  override readonly name = "CliTrouble";
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly params: Params;
  constructor(exitCode: ExitCode, code: string, params: Params) {
    super(code);
    this.exitCode = exitCode;
    this.code = code;
    this.params = params;
  }
}

export function fail(code: string, params: Params, exitCode: ExitCode): CliTrouble {
  return new CliTrouble(exitCode, code, params);
}

export function troubleText(code: string, params: Params): string {
  const { cause, effect, remedy } = render(code, params);
  const lines = [`Cause:   ${cause}`];
  if (effect !== null) lines.push(`Effect:  ${effect}`);
  if (remedy !== null) lines.push(`Remedy:  ${remedy}`);
  lines.push(`Code:    ${code}`);
  return `${lines.join("\n")}\n`;
}

/** The same for programs. */
export function troubleJson(code: string, params: Params): string {
  const { cause, effect, remedy } = render(code, params);
  return `${JSON.stringify({ code, cause, effect, remedy, params })}\n`;
}
