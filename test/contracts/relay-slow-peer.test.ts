import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../../lab/shell.ts";
import { openExport } from "../../src/adapters/nbd/client.ts";
import { openRelay } from "../../src/adapters/nbd/relay.ts";
import type { RelayConfig } from "../../src/adapters/nbd/relay-control.ts";
import { greetQemu } from "../../src/adapters/nbd/relay-lane.ts";
import {
  type ByteQueue,
  commands,
  readReply,
  readRequest,
  replyBytes,
  requestBytes,
  writeReply,
  writeRequest,
} from "../../src/adapters/nbd/wire.ts";
import { openDoors } from "../../src/adapters/qemu/door.ts";

// The relay of this product, its door's protocol and NBD, over real sockets. The replica's host is there and does everything, slowly,
// as one whose disk is busy: one knock after the other, and what is begun is ended although nobody waits for it any more.

const volume = "web-1";
const size = 1024 * 1024;
const run = { cluster: "test", vm: "vm:web", epoch: 3 };
const limit = { timeout: 120_000 };

type Slow = { readonly knockMs: number; readonly writeMs: number };

let folder: string;
const closers: (() => void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-slow-"));
});
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
  rmSync(folder, { recursive: true, force: true });
});

function waitFor<T>(what: string, probe: () => T | undefined): Promise<T> {
  return until(probe, 40_000, () => new Error(`Waited in vain until ${what}`));
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen({ host: "127.0.0.1", port: 0 }, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

/** Answers each write once its disk has it. A connection that is cut takes what was under way with it. */
function serve(socket: Socket, rest: ByteQueue, writeMs: number): void {
  const read = async (): Promise<void> => {
    while (rest.length >= requestBytes) {
      const request = readRequest(rest.take(requestBytes));
      if (request === undefined) throw new Error("that is no request");
      if (request.command === commands.write) {
        await waitFor("all of it is there", () => rest.length >= request.length || undefined);
        rest.take(request.length);
        await sleep(writeMs);
      }
      if (!socket.destroyed) socket.write(writeReply(request.cookie, 0));
    }
  };
  let turn: Promise<void> = Promise.resolve();
  socket.on("data", (chunk: Buffer) => {
    rest.push(chunk);
    turn = turn.then(read);
  });
}

/** Of a replica's host: its door and its storage. */
async function openPeer({ knockMs, writeMs }: Slow): Promise<RelayConfig["doors"]> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    greetQemu(socket, { sizeOf: () => BigInt(size), flagsRead: false }, (_, rest) => serve(socket, rest, writeMs));
  });
  const port = await listen(server);
  let turn: Promise<unknown> = Promise.resolve();
  let counter = 0;
  const { doors, close } = await openDoors({
    ...{ addresses: ["127.0.0.1"], tls: null, from: "a" as never, expects: run, again: true },
    open: (_address, _volume, _known, waits) => {
      const opened = turn.then(async () => {
        if (!waits()) return { no: "nobody waits for it" };
        await sleep(knockMs);
        // Each has an export of its own, and nothing of an earlier one is left (S19).
        for (const socket of sockets) socket.destroy();
        counter += 1;
        return { port, name: `e3.v0.${counter}`, image: "image", counter, isAsLeft: false };
      });
      turn = opened;
      return opened;
    },
  });
  closers.push(() => {
    close();
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return [...doors];
}

/** As QEMU does. */
async function openRelayTo(doors: RelayConfig["doors"]): Promise<Socket> {
  const [nbd, control] = [join(folder, "nbd.sock"), join(folder, "control.sock")];
  const volumes = [{ volume, sizeBytes: size }];
  const config: RelayConfig = {
    ...{ ...run, schema: 1, to: "b", doors, certificates: null, nbd, control, volumes },
    ...{ waitMs: 2_000, letsGo: false, isEqual: false },
  };
  await openRelay(config, () => undefined);
  const qemu = connect({ path: nbd });
  const { socket } = await openExport(qemu, { exportName: volume, tls: null, limitMs: 10_000 });
  closers.push(() => {
    socket.destroy();
    connect({ path: control }).end(`${JSON.stringify({ id: 1, order: { kind: "end" } })}\n`);
  });
  return socket;
}

/** Ends once it is acknowledged. */
async function write(socket: Socket): Promise<void> {
  let answered: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    answered = Buffer.concat([answered, chunk]);
  });
  socket.resume();
  socket.write(writeRequest({ flags: 0, command: commands.write, cookie: 7n, offset: 0n, length: 512 }));
  socket.write(Buffer.alloc(512, 1));
  const reply = await waitFor("the write is answered", () => (answered.length < replyBytes ? undefined : answered));
  expect(readReply(reply)).toEqual({ error: 0, cookie: 7n });
}

test("[S17] a host that takes a second to let somebody in is connected to all the same", limit, async () => {
  const doors = await openPeer({ knockMs: 1_000, writeMs: 0 });
  await write(await openRelayTo(doors));
});

test("[S17] a host that takes a second and a half for each write answers it all the same", limit, async () => {
  const doors = await openPeer({ knockMs: 0, writeMs: 1_500 });
  await write(await openRelayTo(doors));
});
