import { must } from "../../base/assert.ts";
import type { FaultKind } from "./fault.ts";
import { hostFaults } from "./hosts.ts";
import { linkFaults } from "./links.ts";
import { deviceLies, machineFaults } from "./machines.ts";
import { operatorFaults } from "./operator.ts";
import { processFaults } from "./processes.ts";
import { storeFaults } from "./store.ts";

/** Everything that goes wrong in worlds within the guarantee. */
export const faultMenu: readonly FaultKind[] = [
  ...hostFaults,
  ...processFaults,
  ...linkFaults,
  ...storeFaults,
  ...machineFaults,
];
/** What people do meanwhile. */
export const orderMenu: readonly FaultKind[] = operatorFaults;

const all: readonly FaultKind[] = [...faultMenu, ...orderMenu, deviceLies];

export function faultKind(name: string): FaultKind {
  return must(
    all.find((kind) => kind.name === name),
    () => `Cannot play a fault of kind ${name}: there is none`,
  );
}
