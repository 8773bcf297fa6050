import { allCheckers } from "./checkers/all.ts";
import type { Checker, Violation } from "./checkers/checker.ts";
import { stepChecks } from "./checkers/steps.ts";
import { add, type Counts } from "./counts.ts";
import type { Heal } from "./faults/fault.ts";
import { faultKind, mayCostContact } from "./faults/menu.ts";
import type { FaultEvent, WorldPlan } from "./plan.ts";
import { beginWorld, bootHost } from "./world/boot.ts";
import { World } from "./world/world.ts";

/** One run of a plan, to be driven from outside: a broken assertion of the product throws out of `step`. */
export class Run {
  readonly plan: WorldPlan;
  readonly world: World;
  readonly #open = new Set<Heal>();

  constructor(plan: WorldPlan, keepStory = false) {
    this.plan = plan;
    this.world = new World(plan, { keepStory, checkers: watch, steps: stepChecks, boot: bootHost });
    beginWorld(this.world);
    plan.events.forEach((event, i) => {
      this.world.scheduler.at(event.atMs, () => this.#happens(event, i));
    });
    this.world.scheduler.at(plan.healAtMs, () => this.#healAll());
  }

  /** Until the end, or the first violation. */
  toEnd(): readonly Violation[] {
    const { world, plan } = this;
    while (world.violations.length === 0 && world.step(plan.endAtMs));
    return world.violations;
  }

  counts(): Counts {
    return this.world.counts;
  }

  #happens(event: FaultEvent, index: number): void {
    const { world } = this;
    const { kind, atMs: _at, ...params } = event;
    world.tell("fault", kind, params);
    add(world.counts, `fault ${kind}`);
    const disturbs = mayCostContact(kind) ? 1 : 0;
    if (disturbs > 0) world.disturb(event.forMs ?? 0);
    const heal = faultKind(kind).happens(world, event, world.random.for(`event ${index} ${kind}`));
    if (heal === undefined) return;
    world.disturbed.open += disturbs;
    const once: Heal = () => {
      if (!this.#open.delete(once)) return;
      world.tell("fault", "heals", { kind });
      heal();
      world.disturbed.open -= disturbs;
      if (disturbs > 0) world.disturb(0);
    };
    this.#open.add(once);
    if (event.forMs !== undefined) world.scheduler.after(event.forMs, once);
  }

  #healAll(): void {
    this.world.tell("fault", "all-heals");
    for (const heal of [...this.#open]) heal();
  }
}

function watch(world: World): Checker[] {
  return allCheckers.map(({ rule, make }) => ({ rule, ...make(world, (text) => world.fail(rule, text)) }));
}
