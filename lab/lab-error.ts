/** What a person is told: the cause, what it means for the lab, what to do. */
export class LabError extends Error {
  override readonly name = "LabError";
  readonly effect: string;
  readonly remedy: string;

  constructor(cause: string, effect: string, remedy: string) {
    super(cause);
    this.effect = effect;
    this.remedy = remedy;
  }
}

/** Three lines for a terminal: cause, effect, remedy; the bare message for other errors. */
export function describeError(error: unknown): string {
  if (error instanceof LabError) return `${error.message}\n  ${error.effect}\n  ${error.remedy}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
