import { expect, test } from "vitest";
import type { TaskOutput } from "../../api/contract/task.ts";
import type { Cli } from "../program.ts";
import type { Session } from "../session.ts";
import { watchTask } from "./task.ts";

const waits = { code: "disks-lie-on-host", params: { vm: "web", lies: "h1" } };
const task = (of: TaskOutput["waits"], end: TaskOutput["end"] = null): TaskOutput => ({
  ...{ id: "task-1", kind: "start-vm", vm: "vm:web", vmName: "web", to: null, toName: null, percent: 0 },
  ...{ copying: null, queue: null, lastWordOf: null, stoppedFirst: null, reason: null, at: 0 },
  ...{ actor: { name: "root", role: "admin", requestId: "1" }, waits: of, end },
});

/** A daemon that tells these, and then nothing until nobody listens any more. */
async function watch(told: readonly TaskOutput[], standsSeconds: number, seconds = 60) {
  const said: string[] = [];
  const vm = {
    name: "web",
    requested: "started",
    state: "stopped",
    host: null,
    epoch: 0,
    pausedBy: [],
    silentSince: null,
  };
  const follow = async (_: unknown, { signal }: { readonly signal: AbortSignal }) =>
    (async function* () {
      yield* told;
      await new Promise((_done, broken) => signal.addEventListener("abort", () => broken(new Error("aborted"))));
    })();
  const client = { task: { follow }, vm: { show: async () => ({ vm }) } };
  const session = { call: (use: (known: unknown) => unknown) => use(client) } as unknown as Session;
  const io = { out: (text: string) => said.push(text), err: (text: string) => said.push(text), tty: false };
  const cli = { io: { ...io, stop: new AbortController().signal } } as unknown as Cli;
  const first = told[0] ?? task(null);
  const code = await watchTask(cli, session, first, "web", { seconds, standsSeconds, quiet: false }).then(
    () => "done",
    (error: { readonly code: string; readonly params: unknown }) => ({ code: error.code, params: error.params }),
  );
  return { code, said };
}

test("a start that no host takes says why while it is waited for, and comes back with that before the time is over", async () => {
  const { code, said } = await watch([task(waits)], 0.05);
  const why = expect.stringContaining("h1");
  expect(code).toEqual({ code: "start-still-waits", params: { vm: "web", task: "task-1", why } });
  expect(said.join("")).toMatch(/^web: .*\(0 %\): waits: .*h1/u);
});

test("what stood still and goes on is waited for to the end of the time", async () => {
  const { code } = await watch([task(waits), task(null)], 0.05, 0.3);
  expect(code).toMatchObject({ code: "task-still-open" });
  expect((await watch([task(waits), task(waits, { kind: "done", at: 1 })], 60, 0.3)).said.at(-1)).toContain("web");
});
