import { must } from "../../base/assert.ts";
import type { SeedLayout } from "../plan.ts";
import { copiesInTrouble, copyingFaults, pointWishes } from "./copying.ts";
import type { FaultKind } from "./fault.ts";
import { qemuHangs, relayHangs } from "./hanging.ts";
import { hostFaults } from "./hosts.ts";
import { doubling, linkFaults } from "./links.ts";
import { deviceLies, machineFaults, qmpLate } from "./machines.ts";
import { managingFaults } from "./managing.ts";
import { localMoveInTrouble, movingFaults, switchoverInTrouble } from "./moving.ts";
import { operatorFaults } from "./operator.ts";
import { plannedFailover } from "./planned-failover.ts";
import { processFaults } from "./processes.ts";
import { freezeSticks, rareFaults, thawFails } from "./rare.ts";
import { hostLeaves } from "./removing.ts";
import { rulingFaults } from "./ruling.ts";
import { storeFaults } from "./store.ts";
import { takeovers } from "./takeover.ts";

/** Everything that goes wrong in worlds within the guarantee. */
export const faultMenu: readonly FaultKind[] = [
  ...hostFaults,
  ...processFaults,
  ...linkFaults,
  ...storeFaults,
  ...machineFaults,
];
/** Drawn by themselves, so that the draws of all others stay as they were. */
export const rareMenu: readonly FaultKind[] = rareFaults;
/** What people do meanwhile. */
export const orderMenu: readonly FaultKind[] = operatorFaults;

/** What people ask of hosts and of where VMs run; drawn by itself, too. */
export const managingMenu: readonly FaultKind[] = managingFaults;

const besideHangs = [...faultMenu, ...managingMenu, ...orderMenu, ...copyingFaults];
/** QEMUs, and relays, that answer nobody; drawn by themselves, after all others (with-hangs.ts). */
export const hangingMenu: readonly FaultKind[] = [qemuHangs(besideHangs)];
export const relayHangingMenu: readonly FaultKind[] = [relayHangs(besideHangs)];
const hangs = [...hangingMenu, ...relayHangingMenu];

/** What goes wrong while a guest moves; drawn by itself, too. */
export const movingMenu: readonly FaultKind[] = movingFaults([...faultMenu, ...hangs]);

/** The same of guests that take their disks along; drawn where there are such. */
export const localMovingMenu: readonly FaultKind[] = [localMoveInTrouble([...faultMenu, ...hangs])];

/** What people say of where VMs may run; drawn by itself, too. */
export const rulingMenu: readonly FaultKind[] = rulingFaults;

/** Drawn with what they need, never by themselves. */
export const recipeMenu: readonly FaultKind[] = [freezeSticks];
/** What befalls disks that are copied, their VMs and the two hosts; drawn in worlds that have such. */
export const copyingMenu: readonly FaultKind[] = [
  ...copyingFaults,
  ...pointWishes,
  copiesInTrouble([...faultMenu, ...copyingFaults, ...hangs]),
  switchoverInTrouble([...faultMenu, ...copyingFaults, ...hangs]),
  ...weighed([...faultMenu, ...managingMenu, ...orderMenu], {
    "link-cut": 6,
    "link-one-way": 3,
    "qemu-crash": 3,
    "guest-shutdown": 1,
    "agent-kill": 3,
    "agent-stop": 2,
    "heart-stop": 2,
    "power-loss": 6,
    "host-freeze": 4,
    cut: 3,
    "late-writes": 1,
    "operator-start": 2,
    "operator-stop": 3,
    "operator-set": 1,
    "operator-reset": 1,
    "operator-moves": 3,
    "vm-locked": 1,
    maintenance: 2,
    "host-reboots": 2,
  }),
];

/** VMs of groups are ordered to the hosts of their copies, stopped; drawn after all that befalls copies. */
export const failoverMenu: readonly FaultKind[] = [plannedFailover([...faultMenu, ...copyingFaults])];

function weighed(kinds: readonly FaultKind[], weights: Readonly<Record<string, number>>): readonly FaultKind[] {
  return kinds.flatMap((kind) => {
    const weight = weights[kind.name];
    return weight === undefined ? [] : [{ ...kind, weight }];
  });
}

/** Drawn after all others, so that nothing of theirs moves. */
export const lastMenu: readonly FaultKind[] = [doubling];

/** Of QEMUs whose monitors answer late; drawn by itself, with what makes a driver connect. */
export const lateMenu: readonly FaultKind[] = [qmpLate];
/** Hosts that leave the cluster for a while; drawn by itself. */
export const removalMenu: readonly FaultKind[] = [hostLeaves];

/** Of two hosts, one goes on without the other; drawn in worlds of two (S23). */
export const takeoverMenu: readonly FaultKind[] = [takeovers([...faultMenu])];

const ofUncopied = [
  ...[faultMenu, rareMenu, recipeMenu, orderMenu, managingMenu],
  ...[rulingMenu, movingMenu, lastMenu, lateMenu, removalMenu],
].flat();
const drawn: Readonly<Record<SeedLayout, readonly FaultKind[]>> = {
  many: [...ofUncopied, ...copyingMenu, ...failoverMenu, ...hangs],
  local: [...ofUncopied, ...localMovingMenu, ...hangingMenu],
  two: [faultMenu, orderMenu, managingMenu, movingMenu, copyingMenu, failoverMenu, takeoverMenu, hangs].flat(),
};
const all: readonly FaultKind[] = [...drawn.many, ...drawn.local, ...drawn.two, deviceLies, thawFails];

/** Every kind that seeds of a layout draw: a count of each is held against zero. */
export function drawnKinds(layout: SeedLayout): readonly string[] {
  return [...new Set(drawn[layout].map((kind) => kind.name))];
}

/** These cost no host its contact: processes that are started again at once, QEMUs, devices, clocks within their bounds. */
const harmless: ReadonlySet<string> = new Set([
  ...["agent-kill", "agent-stop", "heart-kill", "guard-kill", "clock-rate", "wall-jump"],
  ...["device-slow", "device-unreachable", "device-ignores"],
  ...["qemu-crash", "guest-panic", "guest-shutdown", "qemu-does-not-die", "storage-error"],
  ...["start-fails", "start-slow", "qmp-late", "late-writes", "duplicate"],
  ...operatorFaults.map((kind) => kind.name),
  ...["operator-moves", "maintenance", "vm-locked", "shutdown-policy", "disarm"],
  ...rulingFaults.map((kind) => kind.name),
  ...copyingFaults.map((kind) => kind.name),
  // What comes beside them counts by itself.
  ...hangs.map((kind) => kind.name),
  ...pointWishes.map((kind) => kind.name),
]);

export function mayCostContact(kind: string): boolean {
  return !harmless.has(kind);
}

export function isFaultKind(name: string): boolean {
  return all.some((kind) => kind.name === name);
}

export function faultKind(name: string): FaultKind {
  return must(
    all.find((kind) => kind.name === name),
    () => `Cannot play a fault of kind ${name}: there is none`,
  );
}
