import type { HypervisorEnd } from "../../src/ports/hypervisor.ts";

/** One call of a port. */
export function ask(call: (done: (end: HypervisorEnd) => void) => void): Promise<HypervisorEnd> {
  return new Promise(call);
}

/** Where a step is not done there is nothing to measure. */
export async function mustBeDone(work: Promise<HypervisorEnd>): Promise<void> {
  const end = await work;
  if (end.kind !== "done") throw new Error(JSON.stringify(end));
}

/** A guest that writes every 5 ms and changes hosts to and fro. */
export type Switching = {
  /** From now on its disk has a copy on the other host, that lacks nothing. */
  readonly mirror: () => Promise<void>;
  /** Milliseconds until it executes on the host of its copy, and the one it left is gone. */
  readonly move: () => Promise<number>;
  readonly close: () => Promise<void>;
};
