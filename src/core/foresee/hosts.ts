import { type HostId, type Incarnation, nextEpoch, type VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { HeldOwner, Vm, VmStatus } from "../../model/records.ts";
import { type ClusterView, fenceOf, heartbeatOf, type Stored } from "../../model/view.ts";
import { deviceWork } from "../decide-proofs.ts";
import { fenceKey } from "../decision.ts";
import { proofTransaction } from "../fencing.ts";
import { isWithoutDeadline } from "../limits.ts";
import { moveTurns } from "../move-turns.ts";
import { isMovedAway, stageOf } from "../moves.ts";
import { releaseTransaction } from "../ownership.ts";
import { put, remove, transaction, unchanged } from "../transactions.ts";
import { vmIndex } from "../vm-index.ts";
import type { Ahead } from "./ahead.ts";
import { type Duration, durationOf, type Step } from "./durations.ts";
import { moveTime } from "./move-time.ts";

/** What a host or a power controller does because of what the records say, and when it is done. */
export type Deed = {
  /** The same for as long as the same thing is to be done. */
  readonly key: string;
  readonly step: Step;
  /** Null: of a host's end, for which VMs wait. */
  readonly vm: VmId | null;
  readonly takes: Duration;
  /** The VMs that go on no sooner than at its end, as the records are by then. */
  readonly awaitedBy: (ahead: Ahead) => readonly VmId[];
  /** What comes to stand in the records at its end. */
  readonly end: (ahead: Ahead) => void;
};

type Turns = ReturnType<typeof moveTurns>;

/** What is to be done now. All goes well: starts succeed, guests power off when they are asked to, devices obey. */
export function deedsOf(ahead: Ahead): Deed[] {
  const deeds: Deed[] = [];
  const turns = moveTurns(ahead.view);
  for (const [id, owner] of ahead.view.owners) {
    const vm = ahead.view.vms.get(id)?.value;
    if (vm === undefined || owner.value.kind !== "held" || !isLiving(ahead, owner.value)) continue;
    const deed = deedOfHolder(ahead, vm, owner as Stored<HeldOwner>, turns);
    if (deed !== undefined) deeds.push(deed);
  }
  return [...deeds, ...cutsOf(ahead)];
}

/** The run that its owner record names is on a host that is heard, in its present life. */
function isLiving(ahead: Ahead, { host, incarnation }: HeldOwner): boolean {
  const { view } = ahead;
  const present = view.hosts.get(host)?.value.incarnation;
  return ahead.isHeard(host) && present === incarnation && fenceOf(view, host, incarnation) === undefined;
}

function deedOfHolder(ahead: Ahead, vm: Vm, owner: Stored<HeldOwner>, turns: Turns): Deed | undefined {
  const { view, durations } = ahead;
  const deed = (step: Step, end: Deed["end"]): Deed => {
    const key = `${step} ${vm.id}.${owner.value.epoch}`;
    const takes = step === "live-move" ? moveTime(view, durations, vm.id).takes : durationOf(durations, step, vm.id);
    return { key, step, vm: vm.id, takes, awaitedBy: () => [vm.id], end };
  };
  const move = view.moves.get(vm.id)?.value;
  const isLive = move?.live !== undefined && ["waits", "switched"].includes(stageOf(view, move));
  if (isLive && turns.get(vm.id) !== 0) return undefined;
  if (isLive) return deed("live-move", (then) => goesOver(then, vm.id));
  const unwanted = (vm.requested === "stopped" || vm.requested === "disabled") && view.disarm === undefined;
  if (isMovedAway(view, vm.id) || unwanted) return deed("stop", (then) => letGo(then, vm.id));
  const status = view.statuses.get(vm.id)?.value;
  const isStarting = status === undefined || status.epoch < owner.value.epoch || status.phase === "starting";
  return isStarting && vm.requested === "started" ? deed("start", (then) => comesUp(then, vm.id)) : undefined;
}

/** All of it at once: the owner transaction, the guest that goes on, the source that has quit (S15). */
function goesOver(ahead: Ahead, vm: VmId): void {
  const { view } = ahead;
  const move = view.moves.get(vm)?.value;
  const owner = view.owners.get(vm)?.value;
  const incarnation = move === undefined ? undefined : view.hosts.get(move.to)?.value.incarnation;
  if (move === undefined || owner?.kind !== "held" || incarnation === undefined) return;
  const isThere = owner.host === move.to;
  const next: HeldOwner = isThere ? owner : { ...owner, host: move.to, incarnation, epoch: nextEpoch(owner.epoch) };
  const compares = [unchanged(keys.vmMove(vm), view.moves.get(vm))];
  ahead.write(transaction(compares, [put(keys.owner(vm), next), remove(keys.vmMove(vm))]));
  comesUp(ahead, vm);
}

function letGo(ahead: Ahead, vm: VmId): void {
  const owner = ahead.view.owners.get(vm);
  if (owner?.value.kind !== "held") return;
  ahead.write(releaseTransaction(ahead.view, vm, owner as Stored<HeldOwner>, null));
}

function comesUp(ahead: Ahead, vm: VmId): void {
  const owner = ahead.view.owners.get(vm)?.value;
  if (owner?.kind !== "held") return;
  const { host, incarnation, epoch } = owner;
  const before = ahead.view.statuses.get(vm);
  const next: VmStatus = {
    schema: 1,
    host,
    incarnation,
    epoch,
    phase: "running",
    pausedBy: [],
    accel: before?.value.accel ?? null,
    restarts: 0,
    lastExit: null,
    detail: null,
    since: ahead.known().wall,
  };
  const key = keys.vmStatus(vm);
  ahead.write(transaction([unchanged(key, before)], [put(key, next)]));
}

function cutsOf(ahead: Ahead): Deed[] {
  const { view, durations } = ahead;
  return deviceWork(view)
    .filter(({ host }) => view.devices.has(host))
    .map(({ host, incarnation }) => ({
      key: `cut ${fenceKey(host, incarnation)}`,
      step: "power-off",
      vm: null,
      takes: durations.usual["power-off"],
      // Who needed no such proof has been given another host by then.
      awaitedBy: (then) => heldInLife(then.view, host, incarnation),
      end: (then) => {
        const record = fenceOf(then.view, host, incarnation);
        if (record === undefined) return;
        then.write(proofTransaction(host, incarnation, record, { proof: "power-off", device: "confirmed" }, []));
      },
    }));
}

function heldInLife(view: ClusterView, host: HostId, incarnation: Incarnation): VmId[] {
  return [...(vmIndex(view).heldBy.get(host) ?? [])].filter((vm) => {
    const owner = view.owners.get(vm)?.value;
    return owner?.kind === "held" && owner.incarnation === incarnation;
  });
}

/** Whether somebody holds the VM where it runs, as far as the records say. */
export function runsOn(view: ClusterView, vm: VmId): HostId | undefined {
  const owner = view.owners.get(vm)?.value;
  const status = view.statuses.get(vm)?.value;
  const runs = owner?.kind === "held" && status?.epoch === owner.epoch && status.phase === "running";
  return runs ? owner.host : undefined;
}

/** Two hosts vote, and its guests go on while nobody confirms a heartbeat (S23). */
export function hasNoDeadline(view: ClusterView, host: HostId): boolean {
  const registration = view.hosts.get(host)?.value;
  const beat = registration === undefined ? undefined : heartbeatOf(view, host, registration.incarnation)?.value;
  return beat !== undefined && isWithoutDeadline(beat);
}
