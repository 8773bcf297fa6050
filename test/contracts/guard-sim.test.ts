import type { Incarnation } from "../../src/model/ids.ts";
import type { GuardName, GuardSays } from "../../src/ports/guard.ts";
import { createSimGuards, createTree, mayExecute } from "../../src/sim/guard.ts";
import { virtualClock } from "../support/virtual-clock.ts";
import { type GuardWorld, guardContract } from "./guard-suite.ts";

function openSimWorld(): GuardWorld {
  const clock = virtualClock();
  const tree = createTree();
  const options = { clock, tree, deadlineMs: 1_000, marginMs: 600 };
  const guards = createSimGuards({ ...options, freezeMs: () => 30 });
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

guardContract("guard, simulated", openSimWorld);
