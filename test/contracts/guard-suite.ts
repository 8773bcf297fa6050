import { afterEach, describe, expect, test } from "vitest";
import type { Incarnation } from "../../src/model/ids.ts";
import type { Guard, GuardName, GuardSays } from "../../src/ports/guard.ts";

/** One host's two guards and its VM cgroups, real or simulated. Names of guards that were not started are away. */
export interface GuardWorld {
  readonly deadlineMs: number;
  readonly marginMs: number;
  start(name: GuardName): void;
  /** SIGKILL, SIGTERM: over when `ended` says so. */
  kill(name: GuardName): Promise<void>;
  terminate(name: GuardName): Promise<void>;
  pause(name: GuardName): void;
  resume(name: GuardName): void;
  /** A new connection, as a heart opens it; it replaces the one before. */
  connect(name: GuardName): Guard & { readonly close: () => void };
  /** Everything that the newest connection's guard said. */
  said(name: GuardName): readonly GuardSays[];
  /** Puts a busy process into the folder of an incarnation that exists. */
  addVm(incarnation: Incarnation): TestVm;
  move(vm: TestVm, to: Incarnation): void;
  /** True as soon as it was seen to execute; false where it did not within a generous limit. */
  runs(vm: TestVm): Promise<boolean>;
  /** True where every process of it is stopped for good by a freeze, and none executed meanwhile. */
  standsStill(vm: TestVm): Promise<boolean>;
  removeDeadlineFile(name: GuardName): void;
  /** Lets this much time go by. */
  pass(ms: number): Promise<void>;
  until(what: string, condition: () => boolean): Promise<void>;
  close(): Promise<void>;
}
export type TestVm = { readonly id: string };

const n = (number: number): Incarnation => number as Incarnation;

/** A heart reduced to what a test says: counts stamps, waits for answers. */
export class TestHeart {
  readonly #world: GuardWorld;
  readonly name: GuardName;
  guard: ReturnType<GuardWorld["connect"]>;
  #stamp = 0;

  private constructor(world: GuardWorld, name: GuardName) {
    this.#world = world;
    this.name = name;
    this.guard = world.connect(name);
  }

  static async connected(world: GuardWorld, name: GuardName): Promise<TestHeart> {
    const heart = new TestHeart(world, name);
    await heart.hears("hello");
    return heart;
  }

  static async ready(world: GuardWorld, name: GuardName, incarnation: number): Promise<TestHeart> {
    const heart = await TestHeart.connected(world, name);
    await heart.incarnation(incarnation);
    return heart;
  }

  all<K extends GuardSays["kind"]>(kind: K): Extract<GuardSays, { kind: K }>[] {
    return this.#world.said(this.name).filter((says): says is Extract<GuardSays, { kind: K }> => says.kind === kind);
  }

  async hears<K extends GuardSays["kind"]>(kind: K, atLeast = 1): Promise<Extract<GuardSays, { kind: K }>> {
    await this.#world.until(`guard ${this.name} says ${kind}`, () => this.all(kind).length >= atLeast);
    const last = this.all(kind).at(-1);
    if (last === undefined) throw new Error("unreachable: it was just there");
    return last;
  }

  async incarnation(number: number): Promise<Extract<GuardSays, { kind: "incarnation" }>> {
    const before = this.all("incarnation").length;
    this.guard.incarnation(n(number));
    return this.hears("incarnation", before + 1);
  }

  async stamp(): Promise<number> {
    const stamp = ++this.#stamp;
    this.guard.stamp(stamp);
    await this.#world.until(`stamped ${stamp}`, () => this.all("stamped").some((says) => says.stamp === stamp));
    return stamp;
  }

  /** A heartbeat that is committed at once. */
  async beat(): Promise<Extract<GuardSays, { kind: "deadline" }>> {
    const before = this.all("deadline").length;
    this.guard.committed(await this.stamp());
    return this.hears("deadline", before + 1);
  }
}

export function guardContract(title: string, open: () => GuardWorld): void {
  describe(title, { timeout: 60_000 }, () => {
    let world: GuardWorld | undefined;
    const opened = (): GuardWorld => {
      world = open();
      return world;
    };
    afterEach(async () => {
      await world?.close();
      world = undefined;
    });
    expiry(opened);
    thawing(opened);
    restarts(opened);
    incarnations(opened);
    twoGuards(opened);
  });
}

/** Guard a alone, told incarnation 1, with one VM in its folder. */
async function oneGuard(world: GuardWorld): Promise<{ heart: TestHeart; vm: TestVm }> {
  world.start("a");
  const heart = await TestHeart.ready(world, "a", 1);
  return { heart, vm: world.addVm(n(1)) };
}

/** After this answer the guard has taken everything that was sent before it. */
async function settled(heart: TestHeart): Promise<void> {
  await heart.stamp();
}

function expiry(opened: () => GuardWorld): void {
  test("[S5] at the deadline the VMs are frozen, verified, before D+M", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    expect(await world.runs(vm)).toBe(true);
    await world.until("it froze at the deadline", () => heart.all("frozen").length === 2);
    const frozen = await heart.hears("frozen", 2);
    console.log(`deadline passed: frozen and verified after ${frozen.latenessMs} ms`);
    expect(frozen).toMatchObject({ verified: true, inFlight: 0 });
    expect(frozen.latenessMs).toBeLessThan(world.marginMs);
    expect(await world.standsStill(vm)).toBe(true);
  });

  test("[S3] the deadline counts from the stamp, not from the commit, and no older commit shortens it", async () => {
    const world = opened();
    const { heart } = await oneGuard(world);
    const first = await heart.stamp();
    await world.pass(world.deadlineMs / 2);
    const second = await heart.stamp();
    await world.pass(world.deadlineMs / 4);
    heart.guard.committed(second);
    const newer = await heart.hears("deadline");
    expect(newer.remainingMs).toBeLessThanOrEqual((world.deadlineMs * 3) / 4);
    heart.guard.committed(first);
    heart.guard.committed(second);
    await world.until("both are answered", () => heart.all("deadline").length + heart.all("late").length === 3);
    for (const answer of heart.all("deadline").slice(1)) {
      expect(answer.remainingMs).toBeLessThanOrEqual(newer.remainingMs);
      // The first stamp's own deadline is this much earlier: it did not become the deadline.
      expect(answer.remainingMs).toBeGreaterThan(newer.remainingMs - world.deadlineMs / 2);
    }
  });

  test("[S2] the end of the connection keeps the deadline: neither earlier nor later", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    heart.guard.close();
    expect(await world.runs(vm)).toBe(true);
    await world.pass(world.deadlineMs + world.marginMs);
    expect(await world.standsStill(vm)).toBe(true);
  });

  test("[S2] freeze stops at once and voids every stamp made before it", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    const open = await heart.stamp();
    heart.guard.freeze();
    await heart.hears("frozen", 2);
    heart.guard.committed(open);
    await settled(heart);
    expect(heart.all("thawed")).toHaveLength(1);
    expect(await world.standsStill(vm)).toBe(true);
  });
}

function thawing(opened: () => GuardWorld): void {
  test("[S2] nothing but a commit whose deadline lies in the future thaws", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    const stamp = await heart.stamp();
    await heart.incarnation(1);
    heart.guard.committed(stamp + 1);
    await settled(heart);
    expect(heart.all("thawed")).toHaveLength(0);
    expect(await world.standsStill(vm)).toBe(true);
    await heart.beat();
    await heart.hears("thawed");
    expect(await world.runs(vm)).toBe(true);
  });

  test("[S2] a commit that is known after its deadline permits nothing", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    const stamp = await heart.stamp();
    await world.pass(world.deadlineMs + 20);
    heart.guard.committed(stamp);
    await heart.hears("late");
    expect(heart.all("thawed")).toHaveLength(0);
    expect(await world.standsStill(vm)).toBe(true);
  });

  test("[S2] after an outage the next heartbeat that commits in time thaws again", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    await heart.hears("frozen", 2);
    expect(await world.standsStill(vm)).toBe(true);
    await heart.beat();
    expect(await world.runs(vm)).toBe(true);
  });
}

function restarts(opened: () => GuardWorld): void {
  test("[S4] a guard that finds no deadline freezes at once", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    await world.kill("a");
    expect(await world.runs(vm)).toBe(true); // alone, without its guard: the other one is what stops it
    world.removeDeadlineFile("a");
    world.start("a");
    const next = await TestHeart.connected(world, "a");
    expect((await next.hears("hello")).frozen).toBe(true);
    expect(await world.standsStill(vm)).toBe(true);
  });

  test("[S4] a guard that was killed goes on with the deadline of its file", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    await world.kill("a");
    world.start("a");
    const next = await TestHeart.connected(world, "a");
    expect(await next.hears("hello")).toMatchObject({ incarnation: 1, frozen: false });
    expect(await world.runs(vm)).toBe(true);
    await next.hears("frozen");
    expect(await world.standsStill(vm)).toBe(true);
  });

  test("[S4] a guard that finds its deadline passed freezes at once", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    await world.kill("a");
    await world.pass(world.deadlineMs + 20);
    world.start("a");
    const next = await TestHeart.connected(world, "a");
    expect((await next.hears("hello")).frozen).toBe(true);
    expect(await world.standsStill(vm)).toBe(true);
  });

  test("[S2] a guard that ends in order leaves the VMs frozen, and the next one waits for a heartbeat", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    await world.terminate("a");
    expect(await world.standsStill(vm)).toBe(true);
    world.start("a");
    const next = await TestHeart.ready(world, "a", 1);
    expect((await next.hears("hello")).frozen).toBe(true);
    expect(await world.standsStill(vm)).toBe(true);
    await next.beat();
    expect(await world.runs(vm)).toBe(true);
  });

  test("[S3] a new connection replaces the old one and knows none of its stamps", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    const stamp = await heart.stamp();
    const next = await TestHeart.connected(world, "a");
    heart.guard.committed(stamp);
    next.guard.committed(stamp);
    next.guard.stamp(1); // before its incarnation was acknowledged: not answered
    await next.incarnation(1);
    expect(next.all("stamped")).toHaveLength(0);
    next.guard.committed(stamp);
    await settled(next);
    expect(next.all("thawed")).toHaveLength(0);
    expect(await world.standsStill(vm)).toBe(true);
  });
}

function incarnations(opened: () => GuardWorld): void {
  test("[S6] a heartbeat of N+1 never thaws what is in the folder of N", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    expect(await heart.incarnation(2)).toMatchObject({ ok: true, leftovers: 1 });
    const fresh = world.addVm(n(2));
    await heart.beat();
    expect(await world.runs(fresh)).toBe(true);
    expect(await world.standsStill(vm)).toBe(true);
  });

  test("[S1] a new incarnation forgets the deadline and the stamps of the one before", async () => {
    const world = opened();
    const { heart } = await oneGuard(world);
    await heart.beat();
    const open = await heart.stamp();
    expect(await heart.incarnation(2)).toMatchObject({ ok: true });
    const fresh = world.addVm(n(2));
    heart.guard.committed(open);
    await settled(heart);
    expect(heart.all("thawed")).toHaveLength(1);
    expect(await world.standsStill(fresh)).toBe(true);
  });

  test("[S1] an incarnation older than the present one is refused, and permits nothing", async () => {
    const world = opened();
    const { heart } = await oneGuard(world);
    expect(await heart.incarnation(3)).toMatchObject({ ok: true });
    expect(await heart.incarnation(2)).toMatchObject({ ok: false });
    heart.guard.stamp(1_000);
    expect(await heart.incarnation(3)).toMatchObject({ ok: true });
    expect(heart.all("stamped")).toHaveLength(0);
  });

  test("[S1] the same incarnation again keeps the deadline", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    expect(await heart.incarnation(1)).toMatchObject({ ok: true, leftovers: 0 });
    expect(heart.all("frozen")).toHaveLength(1);
    expect(await world.runs(vm)).toBe(true);
  });

  test("[S9] without processes of earlier incarnations there are no leftovers: the host's last word", async () => {
    const world = opened();
    world.start("a");
    const heart = await TestHeart.ready(world, "a", 1);
    expect(await heart.incarnation(2)).toMatchObject({ ok: true, leftovers: 0 });
  });

  test("[S11] an adopted VM goes on because its processes were moved into the new folder", async () => {
    const world = opened();
    const { heart, vm } = await oneGuard(world);
    await heart.beat();
    await heart.incarnation(2);
    await heart.beat();
    expect(await world.standsStill(vm)).toBe(true);
    world.move(vm, n(2));
    expect(await world.runs(vm)).toBe(true);
  });
}

function twoGuards(opened: () => GuardWorld): void {
  const both = async (world: GuardWorld) => {
    world.start("a");
    world.start("b");
    const a = await TestHeart.ready(world, "a", 1);
    const b = await TestHeart.ready(world, "b", 1);
    return { a, b, vm: world.addVm(n(1)) };
  };

  test("[S4] a thaw needs both guards", async () => {
    const world = opened();
    const { a, b, vm } = await both(world);
    await a.beat();
    expect(await world.standsStill(vm)).toBe(true);
    await b.beat();
    await a.beat();
    expect(await world.runs(vm)).toBe(true);
  });

  test("[S4] one guard stopped: the other freezes in time, and the stopped one freezes when it goes on", async () => {
    const world = opened();
    const { a, b, vm } = await both(world);
    await Promise.all([a.beat(), b.beat()]);
    expect(await world.runs(vm)).toBe(true);
    world.pause("a");
    const frozen = await b.hears("frozen", 2);
    expect(frozen.latenessMs).toBeLessThan(world.marginMs);
    expect(await world.standsStill(vm)).toBe(true);
    world.resume("a");
    expect(await a.hears("frozen", 2)).toMatchObject({ verified: true });
    await b.beat();
    expect(await world.standsStill(vm)).toBe(true);
  });

  test("[S4] one guard killed: the other freezes in time", async () => {
    const world = opened();
    const { a, b, vm } = await both(world);
    await Promise.all([a.beat(), b.beat()]);
    expect(await world.runs(vm)).toBe(true);
    await world.kill("a");
    const frozen = await b.hears("frozen", 2);
    expect(frozen.latenessMs).toBeLessThan(world.marginMs);
    expect(await world.standsStill(vm)).toBe(true);
  });
}
