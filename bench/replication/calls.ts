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
