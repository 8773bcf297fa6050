import type { Standstill } from "../../core/standstill.ts";
import type { Check } from "../../model/reason.ts";
import type { StandstillOutput } from "../contract/base.ts";
import type { HostSummary } from "../contract/host.ts";

export function presentStandstill(known: Standstill | undefined): StandstillOutput | null {
  if (known === undefined) return null;
  return { since: known.since, why: known.why === null ? null : { code: known.why, params: {} } };
}

/** What every reader of this host has to see first: whatever the records say, these VMs do not execute. */
export function standstillCheck({ id, name, standstill }: HostSummary, wall: number): Check | undefined {
  if (standstill === null) return undefined;
  const forMs = standstill.since === null ? 0 : Math.max(0, wall - standstill.since);
  return { id: "own-vms-stand-still", subject: id, level: "fail", params: { host: name, forMs } };
}
