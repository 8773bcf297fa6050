import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Epoch, Incarnation, VmId } from "../../model/ids.ts";
import type { HypervisorEnd } from "../../ports/hypervisor.ts";
import { standsStill, writeMark } from "./freeze-marks.ts";
import { openGuestFreezer, type QemuGuestFreezer } from "./guest-freeze.ts";
import { moveRunFolder, type RunRecord, runPaths, writeRunRecord } from "./run-folder.ts";

const run = { vm: "web" as VmId, incarnation: 1 as Incarnation, epoch: 4 as Epoch };
let folder: string;
let server: Server;
let freezer: QemuGuestFreezer | undefined;
/** A guest with an agent: what it was told, and how it answers to a freeze. */
const guest = {
  told: [] as string[],
  frozen: 0,
  onFreeze: "stands" as "stands" | "refuses" | "is silent" | "is late",
  isDeaf: false,
  isDeafToThaw: false,
  owed: "",
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hf-freeze-"));
  Object.assign(guest, { told: [], frozen: 0, onFreeze: "stands", isDeaf: false, isDeafToThaw: false, owed: "" });
  server = createServer(serveGuest);
  begin("running");
  await new Promise<void>((listening) => server.listen(channel(), listening));
});
afterEach(async () => {
  await freezer?.close();
  await new Promise((closed) => server.close(closed));
  rmSync(folder, { recursive: true, force: true });
});

const channel = (): string => runPaths(folder, run).agent;
const begin = (phase: RunRecord["phase"]): void =>
  writeRunRecord(runPaths(folder, run), { schema: 1, ...run, phase, taps: [] });
const open = (): QemuGuestFreezer => {
  freezer = openGuestFreezer({ runDir: folder, cgroup: folder });
  return freezer;
};
const ended = (call: (end: (end: HypervisorEnd) => void) => void) => new Promise<HypervisorEnd>(call);
const mark = (): void => writeMark(folder, "1.web.4", channel());
const marks = (): readonly string[] => readdirSync(join(folder, "standing-still"));

function serveGuest(socket: Socket): void {
  socket.setEncoding("utf8").on("data", (text: string) => {
    // Of a real agent 0xff begins anew, and what it breaks off may be told as an error.
    if (text.startsWith("\u{fffd}")) socket.write(`${JSON.stringify({ error: { desc: "Invalid JSON syntax" } })}\n`);
    for (const line of text.replace("\u{fffd}", "").trim().split("\n")) {
      if (guest.isDeaf || line === "") return;
      const { execute, arguments: args } = JSON.parse(line) as { execute: string; arguments?: { id: number } };
      guest.told.push(execute);
      if (execute === "guest-fsfreeze-freeze" && guest.onFreeze === "is silent") return;
      const isRefused = execute === "guest-fsfreeze-freeze" && guest.onFreeze === "refuses";
      const thawed = guest.frozen;
      if (execute === "guest-fsfreeze-freeze" && !isRefused) guest.frozen = 2;
      if (execute === "guest-fsfreeze-thaw") guest.frozen = 0;
      if (execute === "guest-fsfreeze-freeze" && guest.onFreeze === "is late") {
        // Nothing else is answered before.
        guest.owed = `${JSON.stringify({ return: 2 })}\n`;
        continue;
      }
      const value = execute === "guest-fsfreeze-thaw" ? thawed : (args?.id ?? guest.frozen);
      socket.write(guest.owed);
      guest.owed = "";
      if (guest.isDeafToThaw && execute === "guest-fsfreeze-thaw") continue;
      socket.write(`${JSON.stringify(isRefused ? { error: { desc: "not allowed" } } : { return: value })}\n`);
    }
  });
}

test("[S20] a guest stands still from the freeze to the thaw, and goes on", async () => {
  const { freeze, thaw } = open();
  expect(await ended((end) => freeze(run, 10_000, end))).toEqual({ kind: "done" });
  expect([guest.frozen, marks()]).toEqual([2, ["1.web.4"]]);
  expect(await ended((end) => freeze(run, 10_000, end))).toMatchObject({ code: "freeze-under-way" });
  expect(await ended((end) => thaw(run, end))).toEqual({ kind: "done" });
  expect([guest.frozen, marks()]).toEqual([0, []]);
  expect(await ended((end) => thaw(run, end))).toMatchObject({ kind: "refused", code: "freeze-not-held" });
});

test("[S20] for its limit at most: then it goes on by itself, and the thaw says so", async () => {
  const { freeze, thaw } = open();
  expect(await ended((end) => freeze(run, 300, end))).toEqual({ kind: "done" });
  await vi.waitUntil(() => guest.told.includes("guest-fsfreeze-thaw") && guest.frozen === 0);
  expect(await ended((end) => thaw(run, end))).toMatchObject({ kind: "refused", code: "freeze-not-held" });
});

test("[S20] one that refuses, or does not answer in time, is let go on", async () => {
  const { freeze } = open();
  guest.onFreeze = "refuses";
  expect(await ended((end) => freeze(run, 10_000, end))).toMatchObject({ kind: "refused", code: "freeze-refused" });
  guest.onFreeze = "is silent";
  expect(await ended((end) => freeze(run, 50, end))).toMatchObject({ kind: "unknown" });
  await vi.waitUntil(() => guest.told.at(-1) === "guest-fsfreeze-thaw");
});

test("[S20] a guest that an earlier agent left standing still goes on as soon as there is another", async () => {
  mark();
  guest.frozen = 2;
  open();
  await vi.waitUntil(() => guest.frozen === 0 && marks().length === 0);
});

test("[S20] one that does not listen at first is asked again until it goes on", async () => {
  mark();
  Object.assign(guest, { frozen: 2, isDeaf: true });
  const connections: Socket[] = [];
  server.on("connection", (socket) => connections.push(socket));
  open();
  await vi.waitUntil(() => connections.length > 0);
  await vi.waitUntil(() => connections[0]?.closed, { timeout: 10_000 });
  expect([guest.frozen, marks()]).toEqual([2, ["1.web.4"]]);
  guest.isDeaf = false;
  await vi.waitUntil(() => guest.frozen === 0 && marks().length === 0, { timeout: 10_000 });
});

test("[S20] a freeze that is answered late is not the answer to the thaw: the mark stays until that has one", async () => {
  const { freeze } = open();
  const connections: Socket[] = [];
  server.on("connection", (socket) => connections.push(socket));
  Object.assign(guest, { onFreeze: "is late", isDeafToThaw: true });
  const end = ended((done) => freeze(run, 50, done));
  await vi.waitUntil(() => guest.told.includes("guest-fsfreeze-thaw"));
  for (const connection of connections) connection.destroy();
  expect(await end).toMatchObject({ kind: "unknown" });
  expect(marks()).toEqual(["1.web.4"]);
  guest.isDeafToThaw = false;
  await vi.waitUntil(() => marks().length === 0, { timeout: 10_000 });
});

test("[S11, S20] its run was claimed back meanwhile, and bears another name: it goes on all the same", async () => {
  const as = { ...run, epoch: 5 as Epoch };
  mark();
  guest.frozen = 2;
  moveRunFolder(runPaths(folder, run), runPaths(folder, as));
  // As long as it stands still in between, it is told nothing.
  writeRunRecord(runPaths(folder, as), { schema: 1, ...as, phase: "leaving", taps: [] });
  open();
  expect([guest.told, marks(), standsStill(folder, run.vm)]).toEqual([[], ["1.web.4"], true]);
  writeRunRecord(runPaths(folder, as), { schema: 1, ...as, phase: "running", taps: [] });
  await vi.waitUntil(() => guest.frozen === 0 && marks().length === 0, { timeout: 10_000 });
});

test("[S20] the mark of a guest whose QEMU is gone goes, also where another run of its VM is here", async () => {
  mark();
  rmSync(channel());
  expect(standsStill(folder, run.vm)).toBe(true);
  open();
  expect([marks(), standsStill(folder, run.vm), standsStill(folder, "we" as VmId)]).toEqual([[], false, false]);
});

test("[S15, S20] a guest that is being moved does not stand still: where it goes on nobody would know of it", async () => {
  begin("leaving");
  const { freeze } = open();
  expect(await ended((end) => freeze(run, 1_000, end))).toMatchObject({ code: "freeze-not-executing" });
  expect(guest.told).toEqual(["guest-sync"]);
});

test("[S20] once it is closed nothing is begun any more, and what stands still goes on", async () => {
  const { freeze, close } = open();
  expect(await ended((end) => freeze(run, 10_000, end))).toEqual({ kind: "done" });
  await close();
  expect([guest.frozen, marks()]).toEqual([0, []]);
  expect(await ended((end) => freeze(run, 10_000, end))).toMatchObject({ kind: "refused" });
});

test("without an agent nothing stands still", async () => {
  rmSync(channel());
  const { freeze } = open();
  expect(await ended((end) => freeze(run, 1_000, end))).toMatchObject({ kind: "refused", code: "freeze-no-agent" });
});
