import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { TaskOutput } from "../../src/api/contract/task.ts";
import { keys } from "../../src/model/keys.ts";
import { defaultPolicy } from "../../src/model/policy.ts";
import { type ApiHost, startApiHost } from "../support/api-host.ts";
import { commandsAt } from "../support/cli-commands.ts";
import { begin } from "../support/cli-run.ts";
import { fence, held, host, incarnation, move, plan, status, vmId } from "../support/records.ts";

// What the commands tell of moves that are under way.

let api: ApiHost;
beforeEach(async () => {
  api = await startApiHost();
});
afterEach(async () => {
  await api.close();
});

const { holdfast, done, createdWeb } = commandsAt(() => api);

/** `web` runs on h1. */
async function runningWeb() {
  const id = await createdWeb();
  await api.put(keys.vm(id), { ...api.view().vms.get(id)?.value, requested: "started" });
  await api.put(keys.owner(id), held("h1", 1, 4));
  await api.put(keys.vmStatus(id), status("h1", 1, 4, "running"));
  return id;
}

test("[HM3] a host that is released while a guest is on its way from it says whose move was called off", async () => {
  const id = await createdWeb();
  expect(await done("host", "maintenance", "h1", "--no-wait")).toContain("in maintenance");
  await api.put(keys.owner(id), held("h1", 1, 4));
  const reason = { rule: "HM3", code: "host-in-maintenance", params: { host: "h1" } };
  await api.put(keys.vmMove(id), { ...move("web", "h1", "h2", { reason, live: { kind: "asked" } }), vm: id });
  expect(await done("host", "release", "h1")).toBe(
    "h1 takes VMs again.\nCalled off, what was on its way goes on at h1: web.\n",
  );
  expect(api.view().moves.get(id)?.value.answer).toMatchObject({ kind: "failed", code: "move-maintenance-over" });
  await done("host", "maintenance", "h1", "--no-wait");
  expect(JSON.parse(await done("host", "release", "h1", "--json"))).toMatchObject({ name: "h1", calledOff: [] });
});

test("[HM3] whoever calls a move off that its host's maintenance ordered is told that it goes again, and what ends that", async () => {
  const id = await runningWeb();
  const going = { ...move("web", "h1", "h2", { live: { kind: "asked" } }), vm: id };
  await api.put(keys.vmMove(id), going);
  expect(await done("vm", "cancel-move", "web")).toBe("web: the move is called off.\n");
  await done("host", "maintenance", "h1", "--no-wait");
  await api.put(keys.vmMove(id), going);
  expect(await done("vm", "cancel-move", "web")).toBe(
    "web: the move is called off.\nh1 is in maintenance, so web is moved away again by itself, in about 10 s. To keep it there: holdfast host release h1\n",
  );
});

test("what is under way, with or without an order: its turn, its copying, why it moves", async () => {
  const id = await createdWeb();
  await api.put(keys.vm(id), { ...api.view().vms.get(id)?.value, requested: "started" });
  await api.put(keys.owner(id), held("h1", 1, 4));
  expect(await done("task", "list")).toBe("Nothing is under way.\n");
  const reason = { rule: "HM1", code: "host-in-maintenance", params: { host: "h1" } };
  const going = { ...move("web", "h1", "h2", { reason, live: { kind: "asked" } }), vm: id };
  await api.put(keys.policy, { ...defaultPolicy, movesPerHostMax: 1 });
  const first = vmId("first");
  await api.put(keys.vmMove(first), move("first", "h2", "h1", { live: { kind: "asked" } }));
  await api.put(keys.vmMove(id), going);
  expect(await done("task", "list")).toMatch(/^web +move-vm +h2 +0 % +waits for its turn \(number 1 .+\) +.*maint/mu);
  const waiting = { kind: "waiting", incarnation: incarnation(1), doors: [], tls: true } as const;
  await api.put(keys.vmMove(id), { ...going, live: waiting });
  const speed = { percent: 60, mibPerSecond: 80.4, remainingMiB: 32, expectedDowntimeMs: 350 };
  const copying = { ...speed, link: "10.0.1.2", guest: "runs" };
  await api.put(keys.vmStatus(id), { ...status("h1", 1, 4, "running"), copying });
  const how = "60 % copied, 80 MiB/s over 10.0.1.2, 32 MiB left (about 0.4 s), pause about 0.3 s";
  for (const line of [
    ["task", "list"],
    ["cluster", "status"],
    ["vm", "show", "web"],
  ])
    expect(await done(...line)).toContain(how);
  const task = JSON.parse(await done("task", "list", "--json")).tasks.find((one: TaskOutput) => one.vm === id);
  expect(task).toMatchObject({ id: `move-of-${id}`, percent: 53, copying, lastWordOf: null, queue: null, reason });
  expect(task.copying.remainingMs).toBe(399);
  expect(await done("vm", "list")).toMatch(/^web .* running +h1/mu);
  await api.put(keys.vmStatus(id), { ...status("h1", 1, 4, "running"), copying: { ...copying, waitsForDisk: true } });
  expect(await done("task", "list")).toContain("a disk of its guest has failed, and it stands still until");
  expect(await done("vm", "list")).toMatch(/^web .* paused by storage-error +h1/mu);
  const stuck = { ...copying, mibPerSecond: 0, expectedDowntimeMs: null, stuck: true };
  await api.put(keys.vmStatus(id), { ...status("h1", 1, 4, "running"), copying: stuck });
  expect(await done("task", "list")).toMatch(
    /60 % copied; nothing gets through to 10\.0\.1\.2 just now, 32 MiB left +/u,
  );
  await api.put(keys.fence(host("h1"), incarnation(1)), fence());
  const last = "h1 is not heard; its last word: 60 % copied over 10.0.1.2, 32 MiB left";
  expect(await done("task", "list")).toContain(last);
  expect(await done("vm", "show", "web")).toContain(last);
  await api.put(keys.vmStatus(id), { ...status("h1", 1, 3, "running"), copying });
  expect(await done("task", "list")).not.toContain("% copied");
});

test("[S15] a guest that its host runs without KVM: told with the order that it is stopped first, and where it stands still", async () => {
  const id = await createdWeb();
  await api.put(keys.vm(id), { ...api.view().vms.get(id)?.value, requested: "started" });
  await api.put(keys.owner(id), held("h1", 1, 4));
  await api.put(keys.vmStatus(id), status("h1", 1, 4, "running"));
  const first = "Host h1 runs VM web without KVM: its guest is stopped before its memory is copied.";
  expect(await done("vm", "migrate", "web", "h2", "--no-wait")).toContain(`\n${first} It stands still until`);
  const waiting = { kind: "waiting" as const, incarnation: incarnation(1), doors: [], tls: true };
  await api.put(keys.vmMove(id), { ...move("web", "h1", "h2", { live: waiting }), vm: id });
  const course = "its guest is to stand still while its memory is copied";
  for (const line of [
    ["task", "list"],
    ["vm", "show", "web"],
    ["explain", "web"],
  ])
    expect(await done(...line)).toContain(course);
  const speed = { percent: 60, mibPerSecond: 80.4, remainingMiB: 32, expectedDowntimeMs: 1_350 };
  const copying = { ...speed, link: "10.0.1.2", guest: "stopped" };
  await api.put(keys.vmStatus(id), { ...status("h1", 1, 4, "running"), copying });
  expect(await done("vm", "list")).toMatch(/^web .* paused by its move +h1/mu);
  expect(await done("vm", "show", "web")).toMatch(/^State +paused by its move$/mu);
  expect(await done("explain", "web")).toContain("it is paused by its move on h1");
  expect(await done("task", "list")).toContain("pause about 1.4 s; its guest stands still meanwhile");
  await api.put(keys.vmStatus(id), { ...status("h1", 1, 4, "running"), accel: "kvm" });
  const [task] = JSON.parse(await done("task", "list", "--json")).tasks as TaskOutput[];
  expect(task).toMatchObject({ vm: id, stoppedFirst: null });
});

test("the percent of a task that is watched never falls, whatever is told between two of its parts", async () => {
  const id = await runningWeb();
  const watched = begin(["vm", "migrate", "web", "h2"], { HOLDFAST_SOCKET: api.socket });
  const shows = (line: string) => vi.waitUntil(() => watched.err().includes(line), { timeout: 20_000 });
  await shows("web: running on h1 (0 %)");
  const live = { kind: "waiting" as const, incarnation: incarnation(1), doors: [], tls: true };
  await api.put(keys.vmMove(id), { ...move("web", "h1", "h2", { live }), vm: id, epoch: 4 });
  const speed = { percent: 60, mibPerSecond: 80, remainingMiB: 32, expectedDowntimeMs: null };
  const copying = { ...speed, link: "10.0.1.2", guest: "runs" };
  await api.put(keys.vmStatus(id), { ...status("h1", 1, 4, "running"), copying });
  await shows("web: running on h1 (53 %): 60 % copied");
  // The guest stands still, and nothing is told of its copying any more.
  await api.put(keys.vmStatus(id), status("h1", 1, 4, "paused"));
  await shows("web: paused on h1 (53 %)");
  // It has changed hands; its move is still there.
  await api.put(keys.owner(id), held("h2", 1, 5));
  await api.put(keys.vmStatus(id), status("h2", 1, 5, "running"));
  await shows("web: running on h2 (67 %)");
  watched.stop();
  await watched.ended;
});

test("a wait that is broken off says so, and not that its time was over", async () => {
  await runningWeb();
  const waiting = begin(["vm", "migrate", "web", "h2"], { HOLDFAST_SOCKET: api.socket });
  await vi.waitUntil(() => api.view().orders.size > 0, { timeout: 20_000 });
  waiting.stop();
  const { code, err } = await waiting.ended;
  expect(code).toBe(3);
  expect(err).toMatch(
    /Cause: +Waiting for VM web was broken off\.\nEffect: .+\nRemedy: .+\nCode: +task-not-awaited\n$/u,
  );
});

test("[HM3] maintenance tells how far those are that leave, and says on being broken off that it stands", async () => {
  const id = await runningWeb();
  const leaving = begin(["host", "maintenance", "h1"], { HOLDFAST_SOCKET: api.socket });
  // What is only about to begin is not said to wait.
  await vi.waitUntil(() => leaving.err().includes("web: about to leave"), { timeout: 20_000 });
  expect(leaving.err()).not.toContain("waits");
  const going = { ...move("web", "h1", "h2", { live: { kind: "asked" } }), vm: id };
  await api.put(keys.vmMove(id), going);
  await vi.waitUntil(() => leaving.err().includes("web: running on h1 (33 %)"), { timeout: 20_000 });
  const speed = { percent: 60, mibPerSecond: 80, remainingMiB: 32, expectedDowntimeMs: null };
  await api.put(keys.vmStatus(id), {
    ...status("h1", 1, 4, "running"),
    copying: { ...speed, link: "l", guest: "runs" },
  });
  await vi.waitUntil(() => leaving.err().includes("web: running on h1 (53 %): 60 % copied"), { timeout: 20_000 });
  await api.put(keys.vmStatus(id), status("h1", 1, 4, "paused"));
  await vi.waitUntil(() => leaving.err().includes("web: paused on h1 (53 %)"), { timeout: 20_000 });
  leaving.stop();
  const { code, err } = await leaving.ended;
  expect([code, err.includes("1 VM has not left it yet.\n")]).toEqual([3, true]);
  expect(err).toContain("Code:    maintenance-not-awaited\n");
});

test("[HM3] maintenance says of what does not begin to leave that it waits, once it has had the time to", async () => {
  await runningWeb();
  const leaving = begin(["host", "maintenance", "h1"], { HOLDFAST_SOCKET: api.socket });
  await vi.waitUntil(() => leaving.err().includes("web: running on h1 (0 %): waits: It is to leave h1, and"), {
    timeout: 30_000,
  });
  expect(leaving.err().indexOf("web: about to leave")).toBeLessThan(leaving.err().indexOf("waits"));
  leaving.stop();
  expect(await leaving.ended).toMatchObject({ code: 3 });
});

test("[HM3] a host that waits to be empty is told of with what it waits for, and until when a move that was called off", async () => {
  const id = await runningWeb();
  await done("host", "maintenance", "h1", "--no-wait");
  expect(await done("task", "list")).toMatch(
    /^web +move-vm +- +0 % +waits: It is to leave h1, and .+ h1 is in maintenance/mu,
  );
  const cancelled = { count: 0, to: host("h2"), code: "move-cancelled", params: { vm: "web" } };
  const at = Date.now() + 3_600_000;
  await api.put(keys.vmPlan(id), { ...plan(), failedMoves: { ...cancelled, at } });
  for (const line of [
    ["task", "list"],
    ["cluster", "status"],
    ["vm", "show", "web"],
    ["explain", "web"],
  ])
    expect(await done(...line)).toMatch(
      /waits: Its last move, to h2, was called off; the next one begins at about \d{4}-\d\d-\d\d /u,
    );
  const [task] = JSON.parse(await done("task", "list", "--json")).tasks as TaskOutput[];
  expect(task).toMatchObject({ id: `leaving-of-${id}`, to: null, waits: { params: { againWall: at + 10_000 } } });
  await api.put(keys.vmPlan(id), { ...plan(), failedMoves: { ...cancelled, at: 1_000 } });
  const over = await done("task", "list");
  expect(over).toMatch(/waits: It is to leave h1, and its move has not begun yet/u);
  expect(over, "no time that is over").not.toContain("1970");
  await done("host", "release", "h1");
  expect(await done("task", "list")).toBe("Nothing is under way.\n");
});

test("[HM3] what the plan says cannot leave is not said to leave", async () => {
  await runningWeb();
  await done("host", "maintenance", "h2", "--no-wait");
  const told = await done("host", "maintenance", "h1", "--no-wait");
  expect(told).toContain("web cannot leave.");
  expect(told).toContain("of the VMs that it holds now (1) none can leave; it waits for web.");
});

test("whoever has a VM ignored in the midst of its move is told that the move is void", async () => {
  const id = await runningWeb();
  await api.put(keys.vmMove(id), { ...move("web", "h1", "h2", { live: { kind: "asked" } }), vm: id, epoch: 4 });
  const { code, out, err } = await holdfast("vm", "set", "web", "--state", "ignored");
  expect([code, out]).toEqual([
    0,
    expect.stringMatching(/^web: state ignored, .+, cpus 1, memory 80 MiB, cpu-model \S+\.\n$/u),
  ]);
  expect(err).toContain("VM web was to move to h2; nobody manages it now, and that move is void.");
  expect(await done("vm", "set", "web", "--max-restart", "5")).toContain("max-restart 5");
});
