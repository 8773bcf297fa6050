import { dropPoint, exportPoint, takePoint, testPoint } from "../scenario/point-phrases.ts";
import type { World } from "../world/world.ts";
import type { FaultKind } from "./fault.ts";
import { type Ask, ask } from "./operator.ts";

/** What befalls the processes between a disk and its copy. Drawn only where anything is copied. */
export const copyingFaults: readonly FaultKind[] = [
  {
    name: "relay-kill",
    weight: 0,
    draw: () => undefined,
    happens: (world, event) => {
      world.replicas.killRelays(`vm:${event.vm}`);
      return undefined;
    },
  },
  {
    name: "copies-kill",
    weight: 0,
    draw: () => undefined,
    happens: (world, event) => {
      for (const daemon of daemonsOf(world, event.vm)) daemon.isAlive = false;
      return undefined;
    },
  },
  {
    name: "copies-hang",
    weight: 0,
    draw: () => undefined,
    happens: (world, event) => {
      const hung = daemonsOf(world, event.vm);
      for (const daemon of hung) daemon.hangs = true;
      return () => {
        for (const daemon of hung) daemon.goOn();
      };
    },
  },
];

/** What somebody asks of recovery points, of whichever host answers. */
export const pointWishes: readonly FaultKind[] = [
  wish("point-take", takePoint),
  wish("point-drop", dropPoint),
  wish("point-test", testPoint),
  wish("point-export", exportPoint),
];

function wish(name: string, asks: (of: { readonly vm: string }) => Ask): FaultKind {
  return {
    name,
    weight: 0,
    draw: () => undefined,
    happens: (world, event, random) => {
      ask(world, event, random, asks({ vm: event.vm ?? "" }));
      return undefined;
    },
  };
}

function daemonsOf(world: World, vm: string | undefined) {
  return world.workers().flatMap((host) => world.replicas.daemonOf(`vm:${vm}`, host) ?? []);
}
