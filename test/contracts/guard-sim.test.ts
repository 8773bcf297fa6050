import { expect, test } from "vitest";
import { type Incarnation, later } from "../../src/model/ids.ts";
import type { GuardName, GuardSays } from "../../src/ports/guard.ts";
import { createSimGuards } from "../../src/sim/guard.ts";
import { createTree, mayExecute } from "../../src/sim/guard-tree.ts";
import { virtualClock } from "../support/virtual-clock.ts";
import { type GuardWorld, guardContract } from "./guard-suite.ts";

function openSimWorld(): GuardWorld {
  const clock = virtualClock();
  const tree = createTree();
  const options = { clock, tree, deadlineMs: 1_000, marginMs: 600 };
  const killAll = (): void => {
    for (const { runs } of tree.folders.values()) runs.clear();
  };
  const guards = createSimGuards({ ...options, freezeMs: () => 30, killAll });
  const said: Record<GuardName, GuardSays[]> = { a: [], b: [] };
  const folder = (incarnation: Incarnation) => {
    const found = tree.folders.get(incarnation);
    if (found === undefined) throw new Error(`No folder of incarnation ${incarnation}`);
    return found;
  };
  let vms = 0;
  return {
    deadlineMs: 1_000,
    marginMs: 600,
    start: (name) => guards[name].start(),
    kill: async (name) => guards[name].kill(),
    terminate: async (name) => guards[name].terminate(),
    pause: (name) => guards[name].pause(),
    resume: (name) => guards[name].resume(),
    connect: (name) => {
      const heard: GuardSays[] = [];
      said[name] = heard;
      return guards[name].connect((_name, says) => heard.push(says));
    },
    said: (name) => said[name],
    addVm: (incarnation) => {
      const id = `vm${++vms}`;
      folder(incarnation).runs.add(id);
      return { id };
    },
    move: (vm, to) => {
      for (const one of tree.folders.values()) one.runs.delete(vm.id);
      folder(to).runs.add(vm.id);
    },
    runs: async (vm) => mayExecute(tree, vm.id),
    standsStill: async (vm) => !mayExecute(tree, vm.id),
    removeDeadlineFile: (name) => tree.files.delete(name),
    pass: async (ms) => clock.advance(ms),
    until: async (what, condition) => {
      for (let ms = 0; !condition(); ms++) {
        if (ms > 5_000) throw new Error(`Waited in vain: ${what}`);
        clock.advance(1);
      }
    },
    close: async () => {},
  };
}

test("[S5] VMs that run on 300 ms after the freeze are killed, and told as unverified until they are dead", async () => {
  const clock = virtualClock();
  const tree = createTree();
  const runs = new Set(["web.1"]);
  let kills = 0;
  const killAll = (): void => {
    kills += 1;
    clock.wakeAt(later(clock.now(), 15), () => runs.clear());
  };
  const guard = createSimGuards({ clock, tree, deadlineMs: 1_000, marginMs: 600, freezeMs: () => 30, killAll }).a;
  const said: GuardSays[] = [];
  guard.start();
  const line = guard.connect((_name, says) => said.push(says));
  line.incarnation(1 as Incarnation);
  line.stamp(1);
  line.committed(1);
  tree.folders.set(1 as Incarnation, { frozen: false, runs });
  clock.advance(900);
  tree.sticking.add(Symbol("sticks"));
  clock.advance(399);
  expect([kills, tree.frozenLevels.has("a")]).toEqual([0, false]);
  clock.advance(100);
  expect([kills, tree.frozenLevels.has("a"), runs.size]).toEqual([1, true, 0]);
  const frozen = said.flatMap((says) => (says.kind === "frozen" ? [says.verified] : []));
  expect(frozen).toEqual([true, false, true]);
});

guardContract("guard, simulated", openSimWorld);
