import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findPhrase } from "../../src/sim/scenario/phrase-words.ts";
import { playScenario } from "../../src/sim/scenario/play.ts";
import type { Scenario, StoryStep } from "../../src/sim/scenario/scenario.ts";
import { readScenario, scenarioFiles } from "../../tools/scenarios/files.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { decidedInLab, orderOf, playInLab, type Roles } from "../support/lab-story.ts";

/** After the last decision of the story: time enough for one too many. */
const quietMs = 4_000;

function storiesForTheLab(): Scenario[] {
  const read = scenarioFiles().map(readScenario);
  return read.flatMap((scenario) => ("head" in scenario && scenario.lab ? [scenario] : []));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

// The same story in both worlds: what is decided, in which order, must agree; when, and by which manager, is each
// world's own affair.
describe("stories of the simulator, played with real etcd, QEMU, guards and cables", () => {
  let lab: TestLab;
  const vms = new Map<string, TestVm>();
  const stories = storiesForTheLab();

  beforeAll(async () => {
    lab = await openTestLab();
  });
  afterAll(() => lab?.close());

  it("there are at least eight of them, and in as many something is decided", () => {
    expect(stories.length).toBeGreaterThanOrEqual(8);
    const withDecisions = stories.filter((story) => orderOf(playScenario(story).decisions).length > 0);
    expect(withDecisions.length).toBeGreaterThanOrEqual(8);
  });

  it.each(stories.map((story) => [`[${story.rules.join(" ")}] ${story.name}`, story] as const))(
    "%s",
    async (_title, story) => {
      await lab.settle();
      const roles = await arrange(story);
      const wanted = orderOf(playScenario(story).decisions);
      const from = lab.history.entries.length;
      await playSteps(story, roles);
      const decided = (): string[] => orderOf(decidedInLab(lab.history, from, roles));
      await waitFor(`${wanted.length} decisions of ${story.name}, not ${decided().join("; ")}`, () =>
        decided().length >= wanted.length ? true : undefined,
      );
      // A story without a decision is one where none may come, for as long as it is told.
      await pause(quietMs);
      console.info(`${story.name}: ${wanted.length} decisions`);
      expect(decided()).toEqual(wanted);
      expect(lab.watcher.doubleRuns).toEqual([]);
    },
  );

  /** The VMs of the story run and no others, its manager manages; returns who plays whom. */
  async function arrange({ cluster }: Scenario): Promise<Roles> {
    const inOrder = [...cluster.vms].sort((a, b) => ((a.host ?? "") < (b.host ?? "") ? -1 : 1));
    const stands = inOrder.every((vm) => isOn(vm.name, vm.host)) && runningCount() === inOrder.length;
    if (!stands) {
      for (const vm of vms.values()) await stop(vm);
      for (const vm of inOrder) await start(vm.name);
    }
    const roles = new Map<string, string>();
    for (const vm of inOrder) if (vm.host !== undefined) roles.set(vm.host, vms.get(vm.name)?.owner().host ?? "");
    const free = lab.world.hosts.map((host) => host.name).filter((name) => ![...roles.values()].includes(name));
    for (let i = 1; i <= cluster.hosts; i++) if (!roles.has(`h${i}`)) roles.set(`h${i}`, free.shift() ?? "");
    await makeManager(roles.get(cluster.manager) ?? "");
    return roles;
  }

  function isOn(name: string, host: string | undefined): boolean {
    const copy = vms.get(name)?.running();
    return copy !== undefined && (host === undefined || copy.host === host);
  }

  function runningCount(): number {
    return [...vms.values()].filter((vm) => vm.running() !== undefined).length;
  }

  async function stop(vm: TestVm): Promise<void> {
    const record = () => lab.history.view.vms.get(vm.id)?.value;
    if (record()?.requested === "started") await lab.client().vm.stop({ vm: vm.name });
    await waitFor(`${vm.name} to be let go`, () =>
      lab.history.view.owners.get(vm.id)?.value.kind === "held" ? undefined : true,
    );
  }

  async function start(name: string): Promise<void> {
    const known = vms.get(name);
    if (known === undefined) vms.set(name, await lab.guest(name, 50 + vms.size));
    else await lab.client().vm.start({ vm: name });
    await waitFor(`${name} to run`, () => vms.get(name)?.running());
  }

  /** The office changes hands where its holder dies: until the wanted one has it. */
  async function makeManager(host: string): Promise<void> {
    const holder = (): string => lab.history.view.term?.value.host ?? "";
    for (let tries = 0; tries < 12 && holder() !== host; tries++) {
      const before = lab.history.view.term?.revision;
      await lab.fault("freeze", { host: holder(), process: "agent" });
      const frozen = holder();
      await waitFor("another manager", () => (lab.history.view.term?.revision === before ? undefined : true));
      await lab.fault("thaw", { host: frozen, process: "agent" });
      await lab.settle();
    }
    expect(holder()).toBe(host);
  }

  async function playSteps(story: Scenario, roles: Roles): Promise<void> {
    const begun = performance.now();
    const open = new Map<string, () => Promise<unknown>>();
    const moments = story.steps.flatMap((step) => [
      { atMs: step.atMs, run: () => happens(story, step, roles, open) },
      ...(step.forMs === undefined
        ? []
        : [{ atMs: step.atMs + step.forMs, run: () => undo(open, step.words.join(" ")) }]),
    ]);
    moments.sort((a, b) => a.atMs - b.atMs);
    for (const { atMs, run } of moments) {
      await pause(begun + atMs - performance.now());
      await run();
    }
    // The rest of the story passes as it would for people; what is expected is waited for beyond it.
    await pause(begun + story.untilMs - performance.now());
  }

  async function happens(
    { cluster }: Scenario,
    { words }: StoryStep,
    roles: Roles,
    open: Map<string, () => Promise<unknown>>,
  ): Promise<void> {
    if (words[0] === "heal") return undo(open, words.slice(1).join(" "));
    const phrase = findPhrase(words, cluster);
    if (typeof phrase === "string") throw new Error(phrase);
    const end = await playInLab(lab, phrase, roles, vms);
    if (end !== undefined) open.set(words.join(" "), end);
  }

  async function undo(open: Map<string, () => Promise<unknown>>, what: string): Promise<void> {
    for (const [text, end] of [...open]) {
      if (what !== "" && what !== text) continue;
      open.delete(text);
      await end();
    }
  }
});
