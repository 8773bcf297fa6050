import type { HostId, VmId, VolumeId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { Point } from "../../model/point-records.ts";
import type { Intent } from "../../model/records.ts";
import type { Replica } from "../../model/replication-records.ts";
import type { SimDisk } from "../replica/machine.ts";
import type { SimPoint } from "../replica/received.ts";
import type { Written } from "../world/truth.ts";
import type { World } from "../world/world.ts";
import type { CheckerKind } from "./kind.ts";

/** What is looked at afresh as a whole is looked at each second. */
const auditsBetween = 50;

/** S20: a point holds everything that its guest had been told is written when it was laid, of all disks at that moment. */
export const pointsHoldMoments: CheckerKind = {
  rule: "S20",
  make: (world, fail) => {
    const lostBy = new Map<SimPoint["disks"], string>();
    world.replicas.onPoint = (host, vm, point) => {
      const guest = world.replicas.guests.get(vm);
      const disks = world.truth.vms.get(vm)?.spec.disks ?? [];
      if (guest === undefined || disks.length === 0) return;
      // What was left behind lacks what came after; what was in sync lacks nothing.
      if (point.origin !== "schedule" && point.origin !== "hand") return;
      if (!lostBy.has(point.disks)) {
        const lost = disks.flatMap(({ volume }, i) => guest[i]?.lostOn(point.disks.get(volume) ?? new Map()) ?? []);
        lostBy.set(point.disks, lost.length === 0 ? "" : `lacks ${lost.length} writes that were acknowledged before`);
      }
      const lacks = lostBy.get(point.disks) ?? "";
      if (point.whole && lacks !== "") fail(`point ${point.id} of ${vm} on ${host} ${lacks}`);
    };
    return {};
  },
};

/** S20: what a point holds stays as it is for as long as it is one. */
export const pointsNeverChange: CheckerKind = {
  rule: "S20",
  make: (world, fail) => {
    const held = new Map<string, string>();
    let audits = 0;
    return {
      audit: () => {
        audits += 1;
        if (audits % auditsBetween !== 0) return;
        for (const [host, vm, point] of world.replicas.allPoints()) {
          if (!point.whole) continue;
          const key = `${host} ${vm} ${point.id}`;
          const now = textOf(point.disks);
          const before = held.get(key) ?? now;
          held.set(key, now);
          if (before !== now) fail(`point ${point.id} of ${vm} on ${host} has changed`);
        }
      },
    };
  },
};

/** S20: before a copy that is of use is written over, what it holds is a point at its host. */
export const lastIsKept: CheckerKind = {
  rule: "S20",
  make: (world, fail) => {
    const waiting = new Map<string, readonly [HostId, VmId]>();
    let audits = 0;
    const audit = (): void => {
      audits += 1;
      if (audits % auditsBetween !== 0) return;
      for (const [host, vm] of waiting.values())
        if (!pointsAt(world, host, vm).some(({ origin, whole }) => whole && origin !== "schedule" && origin !== "hand"))
          fail(`the copy of ${vm} on ${host} is not whole again, and its last point is gone`);
    };
    const committed = ({ name, value, before }: Written): void => {
      if (name.kind !== "replica") return;
      const [is, was] = [value as Replica | undefined, before as Replica | undefined];
      const isUsable =
        was?.state.kind === "in-sync" ||
        (was?.state.kind === "diverged" && was.state.kept && was.state.forgone !== true) ||
        (was?.state.kind === "stale" && was.state.whole && was.state.cause !== "moved");
      // Half way through: of no use until all of it is there.
      const isHalf = is?.state.kind === "copying" || (is?.state.kind === "stale" && !is.state.whole);
      if (!isHalf) waiting.delete(`${name.vm} ${name.host}`);
      if (is?.state.kind !== "copying" || !isUsable || was?.pool !== undefined) return;
      const copy = world.replicas.diskOn(world.host(name.host), name.volume);
      const isKept = pointsAt(world, name.host, name.vm).some(({ disks, whole }) => {
        return whole && sameDisk(disks.get(name.volume), copy);
      });
      if (!isKept) fail(`the copy of ${name.vm} on ${name.host} is written over, and nothing keeps what it held`);
      waiting.set(`${name.vm} ${name.host}`, [name.host, name.vm]);
    };
    return { audit, committed };
  },
};

/** S20: whoever is told that there is a point finds it, and no wish about one is answered as done in vain. */
export const pointsAreThere: CheckerKind = {
  rule: "S20",
  make: (world, fail) => ({
    committed: ({ name, value, before }) => {
      const was = name.kind === "point" && value === undefined ? (before as Point | undefined) : undefined;
      const owner = was === undefined ? undefined : world.truth.owners.get(was.vm);
      const isReceived = was !== undefined && owner?.host !== was.host && world.replicas.receives(was.host, was.vm);
      if (isReceived && pointsAt(world, was.host, was.vm).some(({ id, whole }) => whole && id === was.id))
        fail(`point ${was.id} of ${was.vm} is forgotten, and is there`);
      const point = name.kind === "point" ? (value as Point | undefined) : undefined;
      if (point !== undefined && world.truth.values.has(keys.vm(point.vm))) {
        const isThere = pointsAt(world, point.host, point.vm).some(({ id, whole }) => whole && id === point.id);
        const known = knownPoints(world, point.host, point.vm).some(({ id }) => id === point.id);
        if (!isThere && !known) fail(`point ${point.id} of ${point.vm} is on record, and never was one`);
      }
      const intent = name.kind === "intent" ? (value as Intent | undefined) : undefined;
      if (intent?.kind !== "point" || intent.answer.kind !== "done" || intent.wish.act !== "drop") return;
      const { host, vm, wish } = intent;
      if (pointsAt(world, host, vm).some(({ id, whole }) => whole && id === wish.point))
        fail(`point ${wish.point} of ${vm} is said to be dropped, and is there`);
    },
  }),
};

/** S20: one that somebody asked for stays until somebody has it dropped, or its copies are given up. */
export const handsStay: CheckerKind = {
  rule: "S20",
  make: (world, fail) => {
    const byHand = new Map<string, VmId>();
    const givenUp = new Set<string>();
    let audits = 0;
    return {
      committed: ({ name, value }) => {
        const isUp = name.kind === "replica" && (value as Replica | undefined)?.state.kind === "surplus";
        if (isUp) givenUp.add(`${name.host} ${name.vm}`);
      },
      audit: () => {
        audits += 1;
        if (audits % auditsBetween !== 0) return;
        const there = new Set<string>();
        for (const [host, vm, point] of world.replicas.allPoints()) {
          const key = `${host} ${point.id}`;
          there.add(key);
          if (point.whole && point.origin === "hand") byHand.set(key, vm);
        }
        for (const [key, vm] of byHand) {
          if (there.has(key)) continue;
          byHand.delete(key);
          const [host, id = ""] = key.split(" ");
          if (!givenUp.has(`${host} ${vm}`) && !isDropWanted(world, vm, id))
            fail(`point ${id} of ${vm} was taken by hand, and is gone`);
        }
      },
    };
  },
};

function isDropWanted(world: World, vm: VmId, point: string): boolean {
  for (const intent of world.truth.intents.values())
    if (intent.kind === "point" && intent.vm === vm && intent.wish.act === "drop" && intent.wish.point === point)
      return true;
  return false;
}

function pointsAt(world: World, host: HostId, vm: VmId): readonly SimPoint[] {
  return [...world.replicas.allPoints()].flatMap(([on, of, point]) => (on === host && of === vm ? [point] : []));
}

/** It was one, though it has gone since: a record may come late. */
function knownPoints(world: World, host: HostId, vm: VmId): readonly { readonly id: string }[] {
  return world.replicas.everPoints(host, vm).map((id) => ({ id }));
}

function textOf(disks: ReadonlyMap<VolumeId, SimDisk>): string {
  return [...disks].map(([volume, disk]) => `${volume}:${[...disk].sort(([a], [b]) => a - b).join(" ")}`).join(";");
}

/** Block by block; what was never written is zeros. */
export function sameDisk(a: SimDisk | undefined, b: SimDisk | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const blocks = new Set([...a.keys(), ...b.keys()]);
  return [...blocks].every((block) => (a.get(block) ?? 0) === (b.get(block) ?? 0));
}
