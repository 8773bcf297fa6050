import type { VmId } from "../../model/ids.ts";
import { parseJson } from "../../model/json.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import type { VmStatus } from "../../model/records.ts";
import type { Heal } from "../faults/fault.ts";
import type { Copy } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { PhraseArgs } from "./phrase-words.ts";

// What happens to one end of a live move, and when.

type Play = (world: World, args: PhraseArgs, forMs: number | undefined) => unknown;

/** In the very moment at which the VM changes hands. What lasts is undone as long after it as the story says. */
export function atHandOver(play: Play): (world: World, args: PhraseArgs, forMs: number | undefined) => undefined {
  return (world, args, forMs) => {
    const key = keys.vmMove(`vm:${args.vm}` as VmId);
    world.traps.add(({ changes }) => {
      const change = changes.find((one) => one.key === key);
      if (change?.kind !== "put" || (parseJson(change.text) as VmMove).live?.kind !== "switched") return false;
      world.scheduler.after(0, () => {
        const heal = play(world, args, forMs);
        if (typeof heal === "function" && forMs !== undefined) world.scheduler.after(forMs, heal as Heal);
      });
      return true;
    });
    return undefined;
  };
}

/** While the hand-over is on its way to the store: whatever is done first there counts. */
export function asItIsHandedOver(play: Play): (world: World, args: PhraseArgs, forMs: number | undefined) => undefined {
  return (world, args, forMs) => {
    const key = keys.vmMove(`vm:${args.vm}` as VmId);
    world.sendTraps.add(({ writes }) => {
      const write = writes.find((one) => one.key === key);
      if (write?.kind !== "put" || (parseJson(write.text) as VmMove).live?.kind !== "switched") return false;
      play(world, args, forMs);
      return true;
    });
    return undefined;
  };
}

/** Once a guest is about to go on at this host, and has not yet. */
export function asItArrives(play: Play): (world: World, args: PhraseArgs, forMs: number | undefined) => undefined {
  const look = (world: World, args: PhraseArgs, forMs: number | undefined): void => {
    if (copyOn(world, args.vm, args.hosts[0])?.moving.part === "arriving") play(world, args, forMs);
    else world.scheduler.after(1, () => look(world, args, forMs));
  };
  return atHandOver(look);
}

/** When a guest's new host has said that it goes on there; what it came from may not have said anything yet. */
export function onceArrived(play: Play): (world: World, args: PhraseArgs, forMs: number | undefined) => undefined {
  return (world, args, forMs) => {
    const vm = `vm:${args.vm}` as VmId;
    world.traps.add(({ changes }) => {
      const change = changes.find((one) => one.key === keys.vmStatus(vm));
      const move = world.truth.values.get(keys.vmMove(vm)) as VmMove | undefined;
      if (change?.kind !== "put" || move?.live?.kind !== "switched") return false;
      const { host, phase } = parseJson(change.text) as VmStatus;
      if (host !== move.to || phase !== "running") return false;
      world.scheduler.after(0, () => {
        const heal = play(world, args, forMs);
        if (typeof heal === "function" && forMs !== undefined) world.scheduler.after(forMs, heal as Heal);
      });
      return true;
    });
    return undefined;
  };
}

/** Its copy there, whatever part it has. */
function copyOn(world: World, vm: string, host: string | undefined): Copy | undefined {
  return [...world.host(host).copies.values()].find(({ run }) => run.vm === `vm:${vm}`);
}

export function crashOn(world: World, vm: string, host: string | undefined): void {
  const copy = copyOn(world, vm, host);
  if (copy !== undefined) world.qemus.endByItself(copy, "killed");
}

/** Its main loop stands: it answers nobody, and its guest waits with it. A signal ends it all the same. */
export function hangOn(world: World, vm: string, host: string | undefined): Heal | undefined {
  const copy = copyOn(world, vm, host);
  if (copy === undefined) return undefined;
  copy.hangs = true;
  return () => {
    copy.hangs = false;
  };
}

/** No signal ends it, as if its storage did not answer. */
export function keepOn(world: World, vm: string, host: string | undefined): Heal | undefined {
  const copy = copyOn(world, vm, host);
  if (copy === undefined) return undefined;
  copy.diesNotBefore = Number.POSITIVE_INFINITY;
  return () => {
    copy.diesNotBefore = 0;
  };
}

/** It is taken away by whoever put it there. */
export function putForeign(world: World, { vm, hosts }: PhraseArgs): Heal {
  const { images } = world.host(hosts[0]);
  const volumes = world.truth.vms.get(`vm:${vm}` as VmId)?.spec.disks.map(({ volume }) => volume) ?? [];
  for (const volume of volumes) images.addForeign(volume);
  return () => {
    for (const volume of volumes) images.takeForeignAway(volume);
  };
}
