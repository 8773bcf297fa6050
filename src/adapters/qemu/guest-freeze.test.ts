import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Epoch, Incarnation, VmId } from "../../model/ids.ts";
import type { HypervisorEnd } from "../../ports/hypervisor.ts";
import { openGuestFreezer, type QemuGuestFreezer } from "./guest-freeze.ts";

const run = { vm: "web" as VmId, incarnation: 1 as Incarnation, epoch: 4 as Epoch };
let folder: string;
let server: Server;
let freezer: QemuGuestFreezer | undefined;
/** A guest with an agent: what it was told, and how it answers to a freeze. */
const guest = {
  told: [] as string[],
  frozen: 0,
  onFreeze: "stands" as "stands" | "refuses" | "is silent",
  isDeaf: false,
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hf-freeze-"));
  Object.assign(guest, { told: [], frozen: 0, onFreeze: "stands", isDeaf: false });
  server = createServer(serveGuest);
  await new Promise<void>((listening) => server.listen(channel(), listening));
});
afterEach(async () => {
  await freezer?.close();
  await new Promise((closed) => server.close(closed));
  rmSync(folder, { recursive: true, force: true });
});

const channel = (): string => join(folder, "agent.sock");
const open = (): QemuGuestFreezer => {
  freezer = openGuestFreezer({ runDir: folder, channel });
  return freezer;
};
const ended = (call: (end: (end: HypervisorEnd) => void) => void) => new Promise<HypervisorEnd>(call);
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
      const value = execute === "guest-fsfreeze-thaw" ? thawed : (args?.id ?? guest.frozen);
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
  expect(await ended((end) => freeze(run, 30, end))).toEqual({ kind: "done" });
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
  mkdirSync(join(folder, "standing-still"));
  writeFileSync(join(folder, "standing-still", "1.web.4"), channel());
  guest.frozen = 2;
  open();
  await vi.waitUntil(() => guest.frozen === 0 && marks().length === 0);
});

test("[S20] one that does not listen at first is asked again until it goes on", async () => {
  mkdirSync(join(folder, "standing-still"));
  writeFileSync(join(folder, "standing-still", "1.web.4"), channel());
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

test("without an agent nothing stands still", async () => {
  freezer = openGuestFreezer({ runDir: folder, channel: () => undefined });
  const { freeze } = freezer;
  expect(await ended((end) => freeze(run, 1_000, end))).toMatchObject({ kind: "refused", code: "freeze-no-agent" });
});
