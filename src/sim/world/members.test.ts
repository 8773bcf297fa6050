import { describe, expect, test } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { Members, type Request } from "./members.ts";
import { Network } from "./network.ts";
import { Scheduler } from "./scheduler.ts";

function rig() {
  const scheduler = new Scheduler();
  const network = new Network(3, seededRandom("network"));
  const random = seededRandom("members");
  const members = new Members({
    ...{ scheduler, network, random, voters: [0, 1, 2] },
    ...{ works: () => true, whenThawed: () => {}, isFrozen: () => false },
  });
  members.leader = 0;
  const said = { applied: 0, answered: 0 };
  const send = (write: boolean): void => {
    const request: Request = {
      ...{ from: 1, via: 1, write, reject: () => {} },
      apply: () => {
        said.applied += 1;
      },
      answer: () => {
        said.answered += 1;
      },
    };
    members.send(request);
  };
  return { scheduler, network, send, said };
}

describe("Requests on their way to the store", () => {
  test("arrive once each, and are answered once", () => {
    const { scheduler, send, said } = rig();
    for (let i = 0; i < 100; i++) send(true);
    while (scheduler.step(60_000));
    expect(said).toEqual({ applied: 100, answered: 100 });
  });

  test("while the network doubles them, a part of those that write arrives again, and nobody hears of it", () => {
    const { scheduler, network, send, said } = rig();
    network.doubledMs = 2_000;
    for (let i = 0; i < 100; i++) send(true);
    while (scheduler.step(60_000));
    expect(said.answered).toBe(100);
    expect(said.applied).toBeGreaterThan(115);
    expect(said.applied).toBeLessThan(150);
    const before = said.applied;
    for (let i = 0; i < 100; i++) send(false);
    while (scheduler.step(60_000));
    expect(said.applied).toBe(before + 100);
  });
});
