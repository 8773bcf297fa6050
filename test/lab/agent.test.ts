import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import type { Copy } from "../support/lab-watch.ts";
import { type PageWatch, watchPage } from "../support/page-watch.ts";

const node = join(import.meta.dirname, "../../node_modules/.bin/node");
/** Runs inside the host: asks the daemon's own debugger (SIGUSR1 opened it) to turn in a loop for ever. */
const blockScript = `
  const [{ webSocketDebuggerUrl }] = await (await fetch("http://127.0.0.1:9229/json/list")).json();
  const socket = new WebSocket(webSocketDebuggerUrl);
  await new Promise((open) => socket.addEventListener("open", open));
  socket.send(JSON.stringify({ id: 1, method: "Runtime.evaluate", params: { expression: "for (;;) {}" } }));
  setTimeout(() => process.exit(0), 200);`;

describe("holdfastd may crash, hang and come back: no VM notices", () => {
  let lab: TestLab;
  let web: TestVm;
  let db: TestVm;
  let pages: readonly PageWatch[];
  let before: readonly { readonly pids: readonly number[]; readonly copy: Copy | undefined; readonly boots: number }[];

  const seen = () =>
    Promise.all(
      [web, db].map(async (vm) => ({ pids: vm.pids(), copy: vm.running(), boots: (await vm.answers()).boots })),
    );

  beforeAll(async () => {
    lab = await openTestLab();
    web = await lab.guest("web", 50);
    db = await lab.guest("db", 51);
  });
  afterAll(() => lab?.close());
  beforeEach(async () => {
    await lab.settle();
    before = await seen();
    pages = [web, db].map((vm) => watchPage(lab.world.reach, vm.address));
  });
  afterEach(async () => {
    const ends = await Promise.all(pages.map((page) => page.stop()));
    expect(await seen()).toEqual(before);
    expect(before.map(({ copy }) => copy?.thaws)).toEqual([0, 0]);
    expect(ends.map(({ failed }) => failed)).toEqual([0, 0]);
    for (const { answered } of ends) expect(answered).toBeGreaterThan(0);
    expect(lab.history.fences()).toEqual([]);
    expect(lab.watcher.doubleRuns).toEqual([]);
  });

  const daemonOf = (host: string) => lab.host(host).pidOf("holdfastd");

  /** Ends once a new process of this host says of its own that the VM runs there; returns after how long. */
  async function isBack(host: string, old: number | undefined, vm: TestVm, since: number): Promise<void> {
    await waitFor(`a new holdfastd on ${host}`, () => ![undefined, old].includes(daemonOf(host)) || undefined);
    await waitFor(`${host} to say that ${vm.name} runs`, async () => {
      const answer = await lab
        .client(host)
        .vm.show({ vm: vm.name }, { signal: AbortSignal.timeout(1_000) })
        .catch(() => undefined);
      return answer?.vm.state === "running" && (answer.asOfMs ?? Number.POSITIVE_INFINITY) < 2_000 ? true : undefined;
    });
    console.info(`holdfastd of ${host}: back after ${Math.round(performance.now() - since)} ms`);
  }

  async function block(host: string): Promise<void> {
    const pid = daemonOf(host);
    if (pid === undefined) throw new Error(`no holdfastd on ${host}`);
    process.kill(pid, "SIGUSR1");
    const ask = () => lab.host(host).exec([node, "--input-type=module", "-e", blockScript]);
    await waitFor("the loop", async () => ((await ask()).code === 0 ? true : undefined));
  }

  it.each([
    ["killed", (host: string) => lab.fault("kill", { host, process: "agent" })],
    ["stopped", (host: string) => lab.fault("freeze", { host, process: "agent" })],
    ["blocked in a loop of its own", block],
  ] as const)("[S13] %s: started anew, and has taken up what runs", async (_, act) => {
    const { host } = web.owner();
    const old = daemonOf(host);
    const since = performance.now();
    await act(host);
    await isBack(host, old, web, since);
    // Taken up means more than seen: it has QEMU's ear again.
    expect((await lab.client(host).vm.show({ vm: "web" })).vm).toMatchObject({
      pausedBy: [],
      accel: expect.any(String),
    });
  });

  it("[S12] the manager's hangs: another takes the office and goes on deciding", async () => {
    const term = () => lab.history.view.term?.value;
    const first = term();
    const host = first?.host ?? "";
    const old = daemonOf(host);
    const since = performance.now();
    await lab.fault("freeze", { host, process: "agent" });
    const next = await waitFor("another manager", () => (term()?.term !== first?.term ? term() : undefined));
    expect(next.host).not.toBe(host);
    const spec = ["--name", "third", "--memory", "80", "--pool", "pool1", "--disk", "8"];
    expect(await lab.holdfast("vm", "create", ...spec)).toMatchObject({ code: 0, err: "" });
    expect(await lab.holdfast("vm", "start", "third", "--no-wait")).toMatchObject({ code: 0, err: "" });
    const placed = () => lab.history.events("vm-placed").find(({ event }) => event.params["vm"] === "third");
    expect((await waitFor("a decision", placed)).event.host).toBe(next.host);
    expect(await lab.holdfast("vm", "set", "third", "--requested", "disabled")).toMatchObject({ code: 0, err: "" });
    const vm = [web, db].find((one) => one.owner().host === host) ?? web;
    await isBack(host, old, vm, since);
    expect(term()?.host).toBe(next.host);
  });

  it("[S12, S13] all of them killed at once: all come back, one of them leads, and they obey", async () => {
    const hosts = lab.world.hosts.map(({ name }) => name);
    const old = hosts.map(daemonOf);
    const since = performance.now();
    await Promise.all(hosts.map((host) => lab.fault("kill", { host, process: "agent" })));
    for (const [i, host] of hosts.entries()) await isBack(host, old[i], web, since);
    const tick = lab.history.view.tick?.revision;
    await waitFor("a manager's tick", () => lab.history.view.tick?.revision !== tick || undefined);
  });

  it("and what an agent took up it can still stop", async () => {
    const { host } = db.owner();
    const old = daemonOf(host);
    await lab.fault("kill", { host, process: "agent" });
    await isBack(host, old, db, performance.now());
    const { code, out } = await lab.holdfast("vm", "stop", "db");
    expect([code, out]).toEqual([0, "db is stopped.\n"]);
    expect(lab.watcher.alive(db.id)).toEqual([]);
    expect((await lab.holdfast("vm", "start", "db")).code).toBe(0);
    before = await seen();
    pages = [web, db].map((vm) => watchPage(lab.world.reach, vm.address));
  });
});
