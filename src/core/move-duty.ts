import { nextEpoch } from "../model/ids.ts";
import type { VmMove } from "../model/move-records.ts";
import type { HeldOwner } from "../model/records.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import type { MovePart, VmRun } from "../ports/hypervisor.ts";
import { hasGoneOn, type Me } from "./migration.ts";

/**
 * What an agent owes a run that has a part in a move. `keep`: the move goes on, the agent that conducts it knows how.
 * `adopt`: the ownership came back, in an epoch of which this copy is to bear the name; then it is let go on.
 */
export type MoveDuty = "keep" | "complete" | "abandon" | "switch-over" | "let-go-on" | "adopt" | "kill";

/** By the records alone, so that an agent that was not there when the move began comes to the same end (S13, S15). */
export function moveDuty(view: ClusterView, me: Me, run: VmRun, part: MovePart): MoveDuty {
  const move = view.moves.get(run.vm)?.value;
  const owner = view.owners.get(run.vm)?.value;
  const held = owner?.kind === "held" ? owner : undefined;
  switch (part) {
    case "incoming":
      return ofIncoming(me, run, move, held);
    case "arriving":
      // It may have executed: never given back, and told again to go on, in whatever way it came to be this one's (S15).
      return isNamed(me, run, held) && run.incarnation === me.incarnation ? "complete" : "kill";
    case "leaving":
      return ofLeaving(view, me, run, move, held);
    case "handed":
      return ofHanded(view, me, run, move, held);
  }
}

function isNamed(me: Me, run: VmRun, owner: HeldOwner | undefined): boolean {
  return owner?.host === me.host && owner.incarnation === run.incarnation && owner.epoch === run.epoch;
}

function isAimedAt(me: Me, run: VmRun, move: VmMove): boolean {
  return (
    move.to === me.host &&
    run.incarnation === me.incarnation &&
    move.epoch !== null &&
    nextEpoch(move.epoch) === run.epoch
  );
}

function ofIncoming(me: Me, run: VmRun, move: VmMove | undefined, owner: HeldOwner | undefined): MoveDuty {
  // Its source may have quit before this was seen. What came in whole goes on; where the VM was placed here by another way,
  // in the same epoch, nothing ever does, and it is started afresh.
  if (move === undefined) return isNamed(me, run, owner) && run.incarnation === me.incarnation ? "complete" : "abandon";
  if (!isAimedAt(me, run, move) || move.answer.kind !== "open") return "abandon";
  if (move.live?.kind === "switched") return isNamed(me, run, owner) ? "complete" : "abandon";
  const isStillTheirs =
    owner?.host === move.from && owner.incarnation === move.incarnation && owner.epoch === move.epoch;
  return isStillTheirs ? "keep" : "abandon";
}

function isFrom(me: Me, run: VmRun, move: VmMove | undefined): move is VmMove {
  return (
    move !== undefined && move.from === me.host && move.incarnation === run.incarnation && move.epoch === run.epoch
  );
}

function ofLeaving(
  view: ClusterView,
  me: Me,
  run: VmRun,
  move: VmMove | undefined,
  owner: HeldOwner | undefined,
): MoveDuty {
  if (isNamed(me, run, owner)) {
    const goesOn = isFrom(me, run, move) && move.answer.kind === "open" && run.incarnation === me.incarnation;
    return goesOn ? "keep" : "let-go-on";
  }
  return ofHanded(view, me, run, move, owner);
}

function ofHanded(
  view: ClusterView,
  me: Me,
  run: VmRun,
  move: VmMove | undefined,
  owner: HeldOwner | undefined,
): MoveDuty {
  const cameBack = { ...run, epoch: nextEpoch(nextEpoch(run.epoch)) };
  if (isNamed(me, cameBack, owner)) return "adopt";
  if (!isFrom(me, run, move) || move.live?.kind !== "switched" || run.incarnation !== me.incarnation) return "kill";
  // The target has lost what it had, and cannot say that it never ran: it starts afresh once this copy is gone.
  if (move.answer.kind !== "open") return "kill";
  // A target that is fenced never gives back, and needs nothing more.
  if (fenceOf(view, move.to, move.live.incarnation) !== undefined) return "kill";
  // What this QEMU has sent says nothing of what has arrived: the target's own word does.
  return hasGoneOn(view, move) ? "kill" : "switch-over";
}
