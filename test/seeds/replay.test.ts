import { expect, test } from "vitest";
import { drawPlan } from "../../src/sim/draw-plan.ts";
import { seedLayouts, type WorldPlan } from "../../src/sim/plan.ts";
import { Totals } from "../../src/sim/report.ts";
import { shrink } from "../../src/sim/shrink.ts";
import { renderStory } from "../../src/sim/world/story.ts";
import { play } from "../../tools/sim/play.ts";

function storyOf(plan: WorldPlan): string {
  const { run, report } = play(plan, true);
  return `${run.world.story.all().map(renderStory).join("\n")}\n${report.digest}`;
}

test("a seed played twice gives the same story, byte by byte", () => {
  const first = storyOf(drawPlan("7"));
  expect(first.split("\n").length).toBeGreaterThan(30);
  expect(storyOf(drawPlan("7"))).toBe(first);
});

test("a recorded plan gives the story of its seed", () => {
  for (const layout of seedLayouts) {
    const plan = drawPlan("8", layout);
    expect(storyOf(JSON.parse(JSON.stringify(plan)) as WorldPlan)).toBe(storyOf(plan));
  }
});

test("a plan is at least as rough as it should be", () => {
  for (let i = 0; i < 400; i++) {
    const layout = seedLayouts[i % seedLayouts.length] ?? "many";
    const plan = drawPlan(String(1 + Math.floor(i / seedLayouts.length)), layout);
    expect(plan.endAtMs).toBeGreaterThanOrEqual(600_000);
    expect(layout === "two" ? [2] : [3, 4, 5]).toContain(plan.hosts);
    expect(plan.vms.length).toBeGreaterThanOrEqual(6);
    expect(plan.events.filter((event) => !event.kind.startsWith("operator")).length).toBeGreaterThanOrEqual(5);
    const copied = plan.groups?.flatMap(({ vms }) => vms) ?? [];
    const others = plan.vms.filter(({ name }) => !copied.includes(name));
    expect(new Set(others.map((vm) => vm.pool))).toEqual(
      new Set(["shared", layout === "local" ? "own" : "replicated"]),
    );
  }
});

test("shrinking keeps what a failure needs and nothing else", () => {
  const plan = drawPlan("9");
  const needed = plan.events.filter((_, i) => i === 2 || i === 5);
  const kept = shrink(plan, (candidate) => needed.every((event) => candidate.events.includes(event)), 400);
  expect(kept.events).toEqual(needed);
  expect(kept.vms).toHaveLength(1);
});

test("a count that stays zero over 200 seeds is named, one over fewer seeds is not", () => {
  const report = { seed: "1", virtualSeconds: 600, failure: null, trace: [], counts: [], digest: "" };
  const totals = new Totals("many");
  for (let i = 0; i < 199; i++) totals.add(report);
  expect(totals.missing()).toEqual([]);
  totals.add(report);
  expect(totals.missing()).toContain("fencings never happened in 200 seeds");
  expect(totals.missing()).toContain("fault power-loss never happened in 200 seeds");
});
