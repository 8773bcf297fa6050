import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/adapters/linux/clock.ts";
import { openGuards } from "../../src/adapters/linux/guard-client.ts";
import { openHeartLink, serveAgents } from "../../src/adapters/linux/heart-socket.ts";
import { incarnationFile } from "../../src/adapters/linux/incarnation-file.ts";
import { systemRandom } from "../../src/adapters/linux/random.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { HostId, Incarnation } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { HeartSays } from "../../src/ports/heart.ts";
import { runHeart } from "../../src/runtime/heart.ts";
import { type FaultyStore, faultyStore } from "../support/faulty-store.ts";
import { RealGuards, waitFor } from "../support/real-guards.ts";

const host = "h1" as HostId;

describe("heart, real guards and sockets", { timeout: 60_000 }, () => {
  const undo: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const one of undo.splice(0).reverse()) await one();
  });

  /** The heart's wiring as in main, on a store in memory. */
  function startHeart(world: RealGuards, store: FaultyStore) {
    const log: string[] = [];
    const says: HeartSays[] = [];
    const clock = systemClock();
    const note = (line: string): void => {
      log.push(line);
    };
    const agents = serveAgents(join(world.runDir, "heart.sock"), note);
    const lines: { close(): void }[] = [agents];
    const heart = runHeart(
      { host, machine: "m1", heartbeatMs: 200, deadlineMs: world.deadlineMs, marginMs: world.marginMs },
      {
        clock,
        store,
        random: systemRandom(),
        file: incarnationFile(join(world.runDir, "incarnation.json"), note),
        agents: {
          listen: agents.listen,
          tell: (word) => {
            says.push(word);
            agents.tell(word);
          },
        },
        guards: (listener) => {
          const both = openGuards(world.runDir, note)(listener);
          lines.push(both.a, both.b);
          return both;
        },
      },
    );
    const stop = (): void => {
      heart.stop();
      for (const line of lines.splice(0)) line.close();
    };
    undo.push(stop);
    return { stop, log, says: () => says.at(-1) };
  }

  function opened(): { world: RealGuards; store: FaultyStore } {
    const world = new RealGuards();
    undo.push(() => world.close());
    return { world, store: faultyStore(systemClock(), seededRandom("real")) };
  }

  const beats = (heart: ReturnType<typeof startHeart>, incarnation: number): Promise<void> =>
    waitFor(`it beats as ${incarnation}, thawed`, () => {
      const says = heart.says();
      return says?.phase === "beating" && says.incarnation === incarnation && !says.frozen;
    });

  test("[S4] the VM runs while the heart beats; with the heart gone the guards freeze it; the next heart goes on as N", async () => {
    const { world, store } = opened();
    const first = startHeart(world, store); // before its guards: it comes to them by itself
    world.start("a");
    world.start("b");
    await beats(first, 1);
    const vm = world.addVm(1 as Incarnation);
    expect(await world.runs(vm)).toBe(true);
    await world.pass(world.deadlineMs * 2);
    expect(await world.runs(vm)).toBe(true);
    first.stop();
    await world.pass(world.deadlineMs + world.marginMs);
    expect(await world.standsStill(vm)).toBe(true);
    const second = startHeart(world, store);
    await beats(second, 1);
    expect(await world.runs(vm)).toBe(true);
  });

  test("[S4] a guard that was killed and started again is taken up, and no VM is frozen meanwhile", async () => {
    const { world, store } = opened();
    world.start("a");
    world.start("b");
    const heart = startHeart(world, store);
    await beats(heart, 1);
    const vm = world.addVm(1 as Incarnation);
    expect(await world.runs(vm)).toBe(true);
    await world.kill("a");
    await waitFor("the heart misses it", () => heart.says()?.trouble === "heart-guard-away");
    world.start("a");
    await waitFor("the heart has it back", () => heart.says()?.trouble === null);
    await world.pass(world.deadlineMs + world.marginMs);
    expect(await world.runs(vm)).toBe(true);
    expect(heart.says()).toMatchObject({ phase: "beating", incarnation: 1, frozen: false });
  });

  test("[S1] a fence record: frozen, rejoined as the next incarnation, the old VM never moves again", async () => {
    const { world, store } = opened();
    world.start("a");
    world.start("b");
    const heart = startHeart(world, store);
    await beats(heart, 1);
    const vm = world.addVm(1 as Incarnation);
    expect(await world.runs(vm)).toBe(true);
    const fence = {
      schema: 1,
      cause: "order",
      by: "h2",
      heartbeatRevision: null,
      waitedMs: 0,
      device: "not-needed",
      proofs: [],
      at: 0,
    };
    const key = keys.fence(host, 1 as Incarnation);
    store.write({
      compares: [{ kind: "absent", key }],
      writes: [{ kind: "put", key, text: JSON.stringify(fence) }],
    });
    await beats(heart, 2);
    expect(await world.standsStill(vm)).toBe(true);
    expect(JSON.parse(readFileSync(join(world.runDir, "incarnation.json"), "utf8")).incarnation).toBe(2);
  });

  test("[S13] the agent hears the heart, is heard by it, and is told when it is gone", async () => {
    const { world, store } = opened();
    const lost: string[] = [];
    const link = openHeartLink(join(world.runDir, "heart.sock"), (line) => lost.push(line));
    undo.push(() => link.close());
    let newest: HeartSays | "lost" | null = null;
    link.listen((says) => {
      newest = says;
    });
    expect(newest).toBe("lost");
    world.start("a");
    world.start("b");
    const heart = startHeart(world, store);
    await beats(heart, 1);
    await waitFor("the agent hears it", () => newest !== null && newest !== "lost" && newest.phase === "beating");
    const age = (): number | null => {
      const beat = store.read(keys.heartbeat(host, 1 as Incarnation));
      return beat === undefined ? null : JSON.parse(beat.text).agentAgeMs;
    };
    await waitFor("a heartbeat says how old the agent's word is", () => {
      link.alive(12);
      return age() !== null;
    });
    heart.stop();
    await waitFor("the agent hears that it is gone", () => newest === "lost");
    expect(existsSync(join(world.runDir, "heart.sock"))).toBe(false);
  });
});
