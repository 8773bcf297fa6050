/** A broken assertion is broken reasoning, never an operating failure: it throws, in production too. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws unless `condition` holds. Give the message as a function where building it costs something. */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionError(typeof message === "string" ? message : message());
}

/** The value, where its absence would be a bug. */
export function must<T>(value: T | undefined | null, message: string | (() => string)): T {
  if (value === undefined || value === null)
    throw new AssertionError(typeof message === "string" ? message : message());
  return value;
}

/** Ends an exhaustive switch over data that came from outside. */
export function unreachable(value: never): never {
  throw new AssertionError(`Cannot continue: unexpected value ${JSON.stringify(value)}`);
}
