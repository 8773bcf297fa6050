import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectQmp, type QmpEvent } from "./qmp.ts";

const greeting = '{"QMP": {"version": {}, "capabilities": ["oob"]}}\r\n';
let folder: string;
let path: string;
let server: Server | undefined;
const sockets: Socket[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-qmp-"));
  path = join(folder, "s");
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A peer that greets and answers each line with what `reply` makes of it; `undefined`: says nothing. */
async function listen(reply: (command: string, id: number) => string | undefined): Promise<void> {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.write(greeting);
    socket.setEncoding("utf8").on("data", (text: string) => {
      for (const line of text.split("\n").filter(Boolean)) {
        const { execute, id, ...rest } = JSON.parse(line);
        const answer = reply(execute ?? rest["exec-oob"], id);
        if (answer !== undefined) socket.write(answer);
      }
    });
  });
  await new Promise<void>((done) => server?.listen(path, done));
}

test("answers find their commands by id, errors are data, events keep their order", async () => {
  await listen((command, id) => {
    if (command === "qmp_capabilities") return `{"return": {}, "id": ${id}}\r\n{"event": "RESUME", "data": {}}\r\n`;
    if (command === "bad") return `{"id": ${id}, "error": {"class": "GenericError", "desc": "no"}}\r\n`;
    return `{"event": "STOP"}\r\n{"return": {"of": "${command}"}, "id": ${id}}\r\n`;
  });
  const events: QmpEvent[] = [];
  const qmp = await connectQmp(path, { event: (event) => events.push(event), end: () => undefined }, 5_000);
  const ends = await Promise.all([qmp?.execute("a"), qmp?.execute("bad"), qmp?.execute("b", {}, { outOfBand: true })]);
  expect(ends).toEqual([
    { kind: "done", value: { of: "a" } },
    { kind: "failed", class: "GenericError", description: "no" },
    { kind: "done", value: { of: "b" } },
  ]);
  expect(events.map(({ event }) => event)).toEqual(["RESUME", "STOP", "STOP"]);
  qmp?.close();
});

test("a command without an answer ends late; the end of the connection ends the rest and is told once", async () => {
  await listen((command, id) => (command === "qmp_capabilities" ? `{"return": {}, "id": ${id}}\n` : undefined));
  let ends = 0;
  const qmp = await connectQmp(path, { event: () => undefined, end: () => ends++ }, 5_000);
  expect(await qmp?.execute("silence", undefined, { limitMs: 10 })).toEqual({ kind: "late" });
  const open = qmp?.execute("silence");
  for (const socket of sockets) socket.destroy();
  expect(await open).toEqual({ kind: "dead" });
  expect(await qmp?.execute("more")).toEqual({ kind: "dead" });
  expect(ends).toBe(1);
});

test("nobody there, no greeting in time, given up: no session", async () => {
  const listener = { event: () => undefined, end: () => undefined };
  expect(await connectQmp(path, listener, 5_000)).toBeUndefined();
  await listen(() => undefined);
  expect(await connectQmp(path, listener, 20)).toBeUndefined();
  expect(await connectQmp(path, listener, null, AbortSignal.abort())).toBeUndefined();
});
