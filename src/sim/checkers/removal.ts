import type { HostId } from "../../model/ids.ts";
import type { HostRegistration, Owner } from "../../model/records.ts";
import type { RemovedHost } from "../../model/removal-records.ts";
import { runKey } from "../world/copy.ts";
import type { World } from "../world/world.ts";
import type { Checker, Fail } from "./checker.ts";
import type { CheckerKind } from "./kind.ts";

/**
 * HM7: a host is put out only when nothing of it runs and nobody counts on it; from then on it runs nothing, beats not, registers not
 * and owns nothing, until it is taken back; and then it is a later life than any before.
 */
export const removedStayOut: CheckerKind = {
  rule: "HM7",
  make: (world, fail) => {
    const out = new Set<HostId>();
    const last = new Map<HostId, number>();
    const committed: Checker["committed"] = ({ name, value }) => {
      if (name.kind === "removed-host") {
        const removed = value as RemovedHost | undefined;
        const isOut = removed !== undefined && removed.takenBackAt === null;
        if (isOut && !out.has(name.host)) {
          world.count("removals");
          checkRemoval(world, name.host, last.get(name.host), fail);
          // The records of one transaction come one after another.
          world.scheduler.after(0, () => checkGone(world, name.host, fail));
        }
        if (isOut) out.add(name.host);
        else out.delete(name.host);
      }
      if (value === undefined) return;
      if (name.kind === "host") {
        const { incarnation } = value as HostRegistration;
        if (out.has(name.host)) fail(`${name.host} registers as ${incarnation} although it was removed`);
        if (incarnation <= (last.get(name.host) ?? 0))
          fail(`${name.host} registers as ${incarnation} after ${last.get(name.host)}`);
        last.set(name.host, incarnation);
      }
      if (name.kind === "owner") {
        const { kind, host } = value as Owner;
        if (kind === "held" && out.has(host)) fail(`${name.vm} is given to ${host}, which was removed`);
      }
    };
    return {
      committed,
      beats: ({ name, value }) => {
        if (name.kind === "heartbeat" && value !== undefined && out.has(name.host))
          fail(`${name.host} beats although it was removed`);
      },
      audit: () => {
        for (const id of out) for (const copy of executing(world, id)) fail(`${copy} runs on ${id}, which was removed`);
      },
    };
  },
};

function executing(world: World, id: HostId): string[] {
  const host = world.host(id);
  return [...host.copies.values()].filter((copy) => host.executes(copy)).map(({ run }) => runKey(run));
}

function checkRemoval(world: World, id: HostId, incarnation: number | undefined, fail: Fail): void {
  const proofs = world.truth.fences.get(`${id}/${incarnation}`)?.record.proofs ?? [];
  if (incarnation !== undefined && proofs.length === 0) fail(`${id}/${incarnation} is removed without a proof`);
  for (const copy of executing(world, id)) fail(`${id} is removed while ${copy} runs there`);
  for (const [vm, owner] of world.truth.owners)
    if (owner.kind === "held" && owner.host === id) fail(`${id} is removed while it owns ${vm}`);
}

function checkGone(world: World, id: HostId, fail: Fail): void {
  if (world.truth.registrations.has(id)) fail(`${id} was removed and is still registered`);
  if (world.truth.values.has(`/members/${id}/` as never)) fail(`${id} was removed and is still a member`);
}
