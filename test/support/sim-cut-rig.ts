import { setImmediate as turn } from "node:timers/promises";
import { seededRandom } from "../../src/base/random.ts";
import { createMemoryStore } from "../../src/sim/memory-store.ts";
import { HostClock } from "../../src/sim/world/clock.ts";
import { History } from "../../src/sim/world/history.ts";
import { Members } from "../../src/sim/world/members.ts";
import { Network } from "../../src/sim/world/network.ts";
import { Process } from "../../src/sim/world/process.ts";
import { Scheduler } from "../../src/sim/world/scheduler.ts";
import { StoreClient } from "../../src/sim/world/store-client.ts";
import type { CutRig } from "../contracts/store-cuts-suite.ts";
import type { Way } from "./cables.ts";

const machines = ["m0", "m1", "m2", "c0", "c1"];
const stepsMax = 500_000;

/** The memory store behind simulated members, links and clients: what the worlds of the simulator ask. */
export async function openSimCutRig(): Promise<CutRig> {
  const scheduler = new Scheduler();
  const random = seededRandom("cuts");
  // At once, as in the world: delays are the members' business.
  const memory = createMemoryStore({ schedule: (deliver) => deliver() });
  const history = new History(memory);
  const network = new Network(machines.length, random.for("network"));
  const works = (host: number): boolean => host <= 2;
  const deps = { scheduler, network, random: random.for("members"), voters: [0, 1, 2], works };
  const members = new Members({ ...deps, whenThawed: () => {}, isFrozen: () => false });
  network.changed = () => members.refresh();
  members.refresh();
  const clock = new HostClock(scheduler, 0);
  const processes: Process[] = [];
  const lost: Way[] = [];
  const set = ([from, to]: Way, by: 1 | -1): void => network.cut(machines.indexOf(from), machines.indexOf(to), by);
  const until: CutRig["until"] = async (what, holds) => {
    for (let i = 0; !holds(); i++) {
      await turn();
      if (holds()) return;
      if (i > stepsMax || !scheduler.step(Number.POSITIVE_INFINITY)) throw new Error(`Waited in vain until ${what}`);
    }
  };
  return {
    open: (client, prefers) => {
      const process = new Process("client", scheduler, () => false);
      processes.push(process);
      return new StoreClient({
        host: 3 + client,
        life: process.begin(clock),
        scheduler,
        network,
        members,
        memory,
        history,
        voters: [prefers, ...[0, 1, 2].filter((member) => member !== prefers)],
        works,
        watchLagMs: () => 0,
        blocked: () => false,
        around: (_transaction, apply) => apply(),
        asked: () => {},
        heard: () => {},
      });
    },
    closeStores: () => {
      for (const process of processes.splice(0)) process.end();
    },
    leader: async () => {
      await until("a member leads", () => members.hasLeader());
      return members.leader ?? 0;
    },
    cut: async (ways) => {
      for (const way of ways) set(way, 1);
      lost.push(...ways);
    },
    heal: async () => {
      for (const way of lost.splice(0)) set(way, -1);
    },
    until,
    run: async (call) => {
      let ended = false;
      void call.finally(() => {
        ended = true;
      });
      await until("a call has ended", () => ended);
      return call;
    },
    close: async () => {},
  };
}
