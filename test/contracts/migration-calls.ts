import { expect } from "vitest";
import type { Epoch, HostId, Incarnation, VmId } from "../../src/model/ids.ts";
import type { Hypervisor, HypervisorEnd, RunningVm, VmRun } from "../../src/ports/hypervisor.ts";
import type {
  Door,
  GuestHealth,
  IncomingEnd,
  IncomingRequest,
  Migration,
  MoveEvent,
  OutgoingRequest,
} from "../../src/ports/migration.ts";
import type { HypervisorRig } from "./hypervisor-suite.ts";

export type MoveHost = HypervisorRig & {
  readonly hypervisor: Hypervisor & Migration;
  /** All that was told of moves, by every driver. */
  readonly moves: readonly MoveEvent[];
};

/** Two hosts with one pool, real or simulated. */
export interface MigrationRig {
  readonly source: MoveHost;
  readonly target: MoveHost;
  /** One of the target's own, one of the source's own, and one that neither has. */
  readonly address: string;
  /** What is heard of its guests' agent. */
  readonly agent: "absent" | "answers";
  readonly homeAddress: string;
  readonly foreignAddress: string;
  /** Nobody answers there. */
  readonly deadDoor: Door;
  /** Ends once the guest on this disk has done some work, wherever it runs. */
  untilWorks(disk: string): Promise<void>;
  /** True where it does none for a while. */
  standsStill(disk: string): Promise<boolean>;
  close(): Promise<void>;
}

export const one = 1 as Incarnation;
export const done: HypervisorEnd = { kind: "done" };
export const disk = "web";
export const here: VmRun = { vm: "web" as VmId, incarnation: one, epoch: 4 as Epoch };
export const there: VmRun = { ...here, epoch: 5 as Epoch };
export const back: VmRun = { ...here, epoch: 6 as Epoch };
/** As long as a test needs to meddle while a guest is copied. */
const slowMiBps = 1;

type On = "source" | "target";
type Call = (driver: Hypervisor & Migration, end: (end: HypervisorEnd) => void) => void;

const guest = { act: "stay", disk, ticks: true } as const;

function requestTo(doors: readonly Door[], over: Partial<OutgoingRequest> = {}): OutgoingRequest {
  const base = { to: "b" as HostId, as: there, doors, tls: false, bandwidthMiBps: null, downtimeMs: 300 };
  return { ...base, ...over };
}

/** One call each; `current`: the hosts of the test that runs. */
function callsOf(current: () => MigrationRig) {
  const ask = (on: On, call: Call) => current()[on].end<HypervisorEnd>((end) => call(current()[on].hypervisor, end));
  const fetch = <T>(on: On, call: (driver: Hypervisor & Migration, end: (end: T) => void) => void) =>
    current()[on].end<T>((end) => call(current()[on].hypervisor, end));
  const prepare = (over: Partial<IncomingRequest> = {}) => {
    const base = { from: "a" as HostId, addresses: [current().address], tls: false };
    const wanted = { ...current().target.request(over.run ?? there, guest), ...base, ...over };
    return fetch<IncomingEnd>("target", (driver, end) => driver.prepareIncoming(wanted, end));
  };
  return {
    ask,
    guest,
    prepare,
    request: requestTo,
    list: (on: On) => fetch<readonly RunningVm[]>(on, (driver, end) => driver.list(end)),
    start: (of = here) => ask("source", (driver, end) => driver.start(current().source.request(of, guest), end)),
    waiting: async () => {
      const end = await prepare();
      if (end.kind !== "waiting") throw new Error(`The target does not wait: ${JSON.stringify(end)}`);
      return end.doors;
    },
    copy: (doors: readonly Door[], over: Partial<OutgoingRequest> = {}) =>
      ask("source", (driver, end) => driver.migrateOut(here, requestTo(doors, over), end)),
    switchOver: (of = here) => ask("source", (driver, end) => driver.switchOver(of, end)),
    cancel: (of = here) => ask("source", (driver, end) => driver.cancelOut(of, end)),
    complete: (limitMs = 20_000) => ask("target", (driver, end) => driver.completeIncoming(there, limitMs, end)),
    abandon: () => ask("target", (driver, end) => driver.abandonIncoming(there, end)),
    kill: (on: On, of: VmRun) => ask(on, (driver, end) => driver.kill(of, end)),
    adopt: (of: VmRun, as: VmRun) => ask("source", (driver, end) => driver.adopt(of, as, end)),
    health: (on: On, of: VmRun) => fetch<GuestHealth>(on, (driver, end) => driver.checkGuest(of, end)),
  };
}

/** What the tests of a move do with both hosts, and see of them. */
export function movesOf(current: () => MigrationRig) {
  const calls = callsOf(current);
  const { start, waiting, copy, switchOver, list } = calls;
  const progress = () => current().source.moves.flatMap((event) => (event.kind === "progress" ? [event.progress] : []));
  const running = (of: VmRun) => [{ run: of, state: "running", adopted: true }];
  const ready = async () => {
    await start();
    expect(await copy(await waiting())).toEqual(done);
  };
  return {
    ...calls,
    progress,
    running,
    ready,
    lost: () => current().target.moves.filter(({ kind }) => kind === "incoming-lost"),
    /** Begun and under way: its end is kept for later. */
    copying: async (doors: readonly Door[], bandwidthMiBps = slowMiBps) => {
      const ends: HypervisorEnd[] = [];
      const request = requestTo(doors, { bandwidthMiBps });
      current().source.hypervisor.migrateOut(here, request, (end) => ends.push(end));
      await current().source.until("something was copied", () => progress().length > 0);
      return ends;
    },
    handedOver: async () => {
      await ready();
      expect(await switchOver()).toEqual(done);
    },
    /** Untouched, and its driver tells nothing of it. */
    expectGoesOnHere: async () => {
      expect(await list("source")).toEqual(running(here));
      expect(current().source.events).toEqual([]);
    },
  };
}
