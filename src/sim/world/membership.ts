import type { Member } from "../../model/records.ts";
import type { RemovedHost } from "../../model/removal-records.ts";
import type { World } from "./world.ts";

const lookEveryMs = 1_000;
/** Removals, members and heartbeats. */
const concerned = /^\/(?:hb|members|hosts\/[^/]+\/removed)\//u;

/**
 * What adapters/etcd does about the store's members, as far as a world can feel it: those of removed hosts leave, those of hosts
 * that were taken back join, both by a majority (HM7). Looks as long as there is something to do.
 */
export function keepMembership(world: World): void {
  let looking = false;
  const look = (): void => {
    looking = workOnce(world);
    if (looking) world.scheduler.after(lookEveryMs, look);
  };
  world.history.onCommit(({ changes }) => {
    if (looking || !changes.some(({ key }) => concerned.test(key)) || !isOpen(world)) return;
    looking = true;
    world.scheduler.after(lookEveryMs, look);
  });
}

function isOpen(world: World): boolean {
  return world.hosts.some(({ id }) => isLeaving(world, id) || isJoining(world, id));
}

function isLeaving(world: World, host: string): boolean {
  return (world.truth.values.get(`/hosts/${host}/removed/` as never) as RemovedHost | undefined)?.store === "voting";
}

function isJoining(world: World, host: string): boolean {
  return (world.truth.values.get(`/members/${host}/` as never) as Member | undefined)?.joinsStore === true;
}

/** True: something is left to do. */
function workOnce(world: World): boolean {
  for (const { id, number } of world.hosts) {
    if (isLeaving(world, id) && world.members.change(number, false)) {
      world.tell("store", "member-left", { host: id });
      patch(world, `/hosts/${id}/removed/`, { store: "left" });
    }
    const beats = world.truth.registrations.has(id);
    const carried = number < world.plan.voters;
    if (
      isJoining(world, id) &&
      beats &&
      world.hosts[number]?.works === true &&
      (!carried || world.members.change(number, true))
    ) {
      world.tell("store", "member-joined", { host: id });
      patch(world, `/members/${id}/`, { joinsStore: undefined });
    }
  }
  return isOpen(world);
}

function patch(world: World, key: string, change: object): void {
  const record = world.truth.values.get(key as never) as object;
  const text = JSON.stringify({ ...record, ...change });
  world.memory.commit({ compares: [], writes: [{ kind: "put", key: key as never, text }] }, 0, () => {});
}
