import type { SeededRandom } from "../../base/random.ts";
import type { VmId } from "../../model/ids.ts";
import { add } from "../counts.ts";
import type { FaultEvent } from "../plan.ts";
import type { Copy } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { DrawContext, FaultKind } from "./fault.ts";
import { cancelMove } from "./moving.ts";
import { strikeWith } from "./strike.ts";

// Processes that are there, and answer nobody for a while: a QEMU, or the relay between a guest and its copy.

/** What happens beside a QEMU that hangs, where it runs, so that somebody needs its answer; "none": nothing does. */
const besideQemu = [
  ...["agent-kill", "agent-kill", "agent-kill", "operator-stop", "operator-stop", "operator-moves", "operator-moves"],
  ...["power-loss", "host-freeze", "cut", "heart-stop", "qemu-does-not-die", "maintenance", "none"],
] as const;
/** The same of a relay. */
const besideRelay = [
  ...["agent-kill", "agent-kill", "agent-stop", "link-cut", "link-cut", "copies-reset", "copies-kill", "copies-hang"],
  ...["power-loss", "host-freeze", "qemu-crash", "operator-stop", "operator-moves", "none", "none"],
] as const;

/** A QEMU's main loop stands still for a while, and goes on. `kinds`: what may happen meanwhile. */
export function qemuHangs(kinds: readonly FaultKind[]): FaultKind {
  return {
    name: "qemu-hangs",
    weight: 3,
    draw: (random, context) => drawHang(random, context, besideQemu),
    happens: (world, event, random) => {
      const copy = copyOf(world, event.vm, event.host);
      if (copy === undefined) return undefined;
      if (copy.moving.part === undefined) beside(world, event, { kinds, copy, random });
      else callOffMeanwhile(world, copy, random);
      add(world.counts, "hungQemus");
      return world.qemus.hang(copy);
    },
  };
}

/** What brings a guest's writes to its copy answers nobody: neither QEMU nor its agent, nor the copy. */
export function relayHangs(kinds: readonly FaultKind[]): FaultKind {
  return {
    name: "relay-hangs",
    weight: 3,
    draw: (random, context) => drawHang(random, context, besideRelay),
    happens: (world, event, random) => {
      const copy = copyOf(world, event.vm);
      if (copy !== undefined) beside(world, event, { kinds, copy, random });
      const goOn = world.replicas.hangRelays(`vm:${event.vm}`);
      if (goOn !== undefined) add(world.counts, "hungRelays");
      return goOn;
    },
  };
}

function drawHang(random: SeededRandom, { vms, workers }: DrawContext, kinds: readonly string[]) {
  return {
    ...{ vm: random.pick(vms), other: random.pick(workers), text: random.pick(kinds) },
    // Around the limits of those who wait for an answer, too.
    forMs: 500 + random.below(random.chance(0.5) ? 12_000 : 59_500),
    value: random.chance(0.5) ? random.below(30) : random.below(5_000),
  };
}

type Beside = { readonly kinds: readonly FaultKind[]; readonly copy: Copy; readonly random: SeededRandom };

function beside(world: World, { text, value, other }: FaultEvent, { kinds, copy, random }: Beside): void {
  const kind = kinds.find(({ name }) => name === text);
  if (kind === undefined) return;
  const forMs = random.chance(0.5) ? 100 + random.below(3_500) : 3_000 + random.below(25_000);
  world.scheduler.after(value ?? 0, () => {
    const host = copy.host.id;
    const far = world.workers().find(({ id }) => id === other && id !== host) ?? otherThan(world, host);
    const struck = { host, vm: copy.vm.name, other: far?.id ?? host, text: "migrate", forMs };
    world.tell("fault", "beside-a-hang", { kind: kind.name, at: host, vm: copy.vm.name });
    strikeWith(world, kind, struck, random);
  });
}

/** Of one that moves: what ends its move, so that it is asked to go on, and does not answer. */
function callOffMeanwhile(world: World, copy: Copy, random: SeededRandom): void {
  const how = random.pick(["cancelled", "cancelled", "other-end", "other-end", "none"]);
  world.scheduler.after(random.below(random.chance(0.5) ? 300 : 3_000), () => {
    if (world.scheduler.now >= world.plan.healAtMs) return;
    if (how === "cancelled") cancelMove(world, copy.run.vm);
    const other = world.copiesOf(copy.run.vm).find((one) => one !== copy);
    if (how === "other-end" && other !== undefined) world.qemus.endByItself(other, "killed");
  });
}

function otherThan(world: World, host: string) {
  return world.workers().find(({ id }) => id !== host);
}

/** On the host that is named, or wherever it is: where its owner's is, if it has two. */
function copyOf(world: World, vm: string | undefined, host?: string): Copy | undefined {
  const id = `vm:${vm ?? ""}`;
  const owner = world.truth.owners.get(id as VmId)?.host;
  const copies = world.copiesOf(id).filter((copy) => host === undefined || copy.host.id === host);
  return copies.find((copy) => copy.host.id === owner) ?? copies[0];
}
