import type { Copy } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { CheckerKind } from "./kind.ts";

/** S10, S5: the heart of it all: never two copies of a VM that can write one volume. */
export const oneWriter: CheckerKind = {
  rule: "S10",
  make: (world, fail) => {
    const newest = new Map<string, number>();
    // A second copy can only come by a start: until then, and where all doubles have ended, there is nothing to compare.
    let doubles: "none" | "look" | "some" = "none";
    const name = (copy: Copy): string =>
      `${copy.run.vm} epoch ${copy.run.epoch} on ${copy.host.id}/${copy.run.incarnation}`;
    return {
      starting: (copy) => {
        doubles = "look";
        newest.set(copy.run.vm, Math.max(newest.get(copy.run.vm) ?? 0, copy.run.epoch));
        for (const other of world.copiesOf(copy.run.vm)) {
          // A folder's storage refuses nobody: nothing of an earlier copy may be left. A replicated volume refuses an
          // old epoch's writes, so that a copy that stands still is enough there.
          // A copy that waits for its guest, or has handed it over, has no image open (S15).
          const blocks = copy.strict ? other.alive && other.imagesOpen : other.host.executes(other);
          if (other !== copy && blocks)
            fail(`${name(copy)} starts while ${name(other)} ${copy.strict ? "is there" : "runs"}`);
        }
      },
      landed: (copy) => {
        const epoch = newest.get(copy.run.vm) ?? 0;
        if (epoch > copy.run.epoch) fail(`a late write of ${name(copy)} lands although epoch ${epoch} has started`);
      },
      adopting: (copy, as) => {
        doubles = "look";
        newest.set(copy.run.vm, Math.max(newest.get(copy.run.vm) ?? 0, as.epoch));
      },
      afterEvent: () => {
        if (doubles === "none") return;
        if (doubles === "look") doubles = hasDoubles(world) ? "some" : "none";
        if (doubles === "some") checkDoubles(world, fail, name);
      },
      ended: () => {
        if (doubles === "some") doubles = "look";
      },
    };
  },
};

function hasDoubles(world: World): boolean {
  const seen = new Set<string>();
  for (const host of world.hosts) {
    for (const copy of host.copies.values()) {
      if (seen.has(copy.run.vm)) return true;
      seen.add(copy.run.vm);
    }
  }
  return false;
}

function checkDoubles(world: World, fail: (text: string) => void, name: (copy: Copy) => string): void {
  const running = new Map<string, Copy>();
  for (const host of world.hosts) {
    if (!host.works || host.tree.frozenLevels.size > 0) continue;
    for (const copy of host.copies.values()) {
      if (!host.executes(copy)) continue;
      const other = running.get(copy.run.vm);
      if (other !== undefined) fail(`${name(copy)} and ${name(other)} run at the same time`);
      running.set(copy.run.vm, copy);
    }
  }
}
