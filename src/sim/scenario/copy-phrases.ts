import type { Heal } from "../faults/fault.ts";
import type { World } from "../world/world.ts";
import type { PhraseArgs } from "./phrase-words.ts";

// What befalls the processes between a disk and its copy, and the room that copies have.

export function killRelay(world: World, args: PhraseArgs): undefined {
  world.replicas.killRelays(`vm:${args.vm}`);
  return undefined;
}

export function killCopies(world: World, args: PhraseArgs): undefined {
  const daemon = world.replicas.daemonOf(`vm:${args.vm}`, world.host(args.hosts[0]));
  if (daemon !== undefined) daemon.isAlive = false;
  return undefined;
}

export function hangCopies(world: World, args: PhraseArgs): Heal | undefined {
  const daemon = world.replicas.daemonOf(`vm:${args.vm}`, world.host(args.hosts[0]));
  if (daemon === undefined) return undefined;
  daemon.hangs = true;
  return () => daemon.goOn();
}

export function fillCopies(world: World, args: PhraseArgs): Heal {
  const host = world.host(args.hosts[0]);
  world.replicas.fill(host, true);
  return () => world.replicas.fill(host, false);
}
