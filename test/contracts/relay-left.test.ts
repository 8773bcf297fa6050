import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../lab/shell.ts";
import { openExport } from "../../src/adapters/nbd/client.ts";
import { openRelay } from "../../src/adapters/nbd/relay.ts";
import { type RelayConfig, type RelayOrder, relaySaysSchema } from "../../src/adapters/nbd/relay-control.ts";
import { leftFile } from "../../src/adapters/nbd/relay-memory.ts";
import { commands, readReply, replyBytes, writeRequest } from "../../src/adapters/nbd/wire.ts";
import { writeRelayConfig } from "../../src/adapters/qemu/replica-relay.ts";
import { controlOrder } from "./control-order.ts";

// What a relay was told last its successor knows (S16, S20): two relays of this product, one after the other, over real sockets.

const volume = "web-1";
const size = 1024 * 1024;
let folder: string;
let knocks: number;
const closers: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-left-"));
  knocks = 0;
});
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
  rmSync(folder, { recursive: true, force: true });
});

/** A replica's host where everybody who knocks is counted, and nobody is let in. */
async function openPeer(): Promise<RelayConfig["doors"]> {
  const server = createServer((socket) => {
    knocks += 1;
    socket.destroy();
  });
  const port = await new Promise<number>((told) => {
    server.listen({ host: "127.0.0.1", port: 0 }, () => {
      const address = server.address();
      told(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  closers.push(() => server.close());
  return [{ address: "127.0.0.1", port }];
}

async function configOf(): Promise<RelayConfig> {
  return {
    ...{ schema: 1, cluster: "test", vm: "vm:web", epoch: 3, to: "b", doors: await openPeer(), certificates: null },
    ...{ nbd: join(folder, "nbd.sock"), control: join(folder, "control.sock") },
    ...{ volumes: [{ volume, sizeBytes: size }], waitMs: 2_000, letsGo: false, isEqual: false },
  };
}

async function say(config: RelayConfig, order: RelayOrder) {
  return relaySaysSchema.parse(await controlOrder(config.control, order));
}

/** One that is given `order`, and then another one in its place. */
async function twoOf(config: RelayConfig, order: RelayOrder): Promise<void> {
  writeRelayConfig(folder, config);
  let isOver = false;
  const first = await openRelay(config, () => undefined);
  void first.ended.then(() => {
    isOver = true;
  });
  await say(config, order);
  await say(config, { kind: "end" });
  await until(
    () => isOver || undefined,
    20_000,
    () => new Error("The first relay does not end"),
  );
  await openRelay(config, () => undefined);
  closers.push(() => void say(config, { kind: "end" }).catch(() => undefined));
}

/** As QEMU does. What it is answered comes later. */
async function write(config: RelayConfig): Promise<() => ReturnType<typeof readReply>> {
  const qemu = connect({ path: config.nbd });
  const { socket } = await openExport(qemu, { exportName: volume, tls: null, limitMs: 10_000 });
  closers.push(() => socket.destroy());
  let answer: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    answer = Buffer.concat([answer, chunk]);
  });
  socket.resume();
  socket.write(writeRequest({ flags: 0, command: commands.write, cookie: 7n, offset: 0n, length: 512 }));
  socket.write(Buffer.alloc(512, 1));
  return () => (answer.length < replyBytes ? undefined : readReply(answer));
}

function answered(what: () => ReturnType<typeof readReply>) {
  return until(what, 20_000, () => new Error("The write is not answered"));
}

describe("a relay that takes the place of another", () => {
  test("[S20] which was to answer without the copy: it holds, sends nothing there, and does so when it is told, too", async () => {
    const config = await configOf();
    await twoOf(config, { kind: "stale" });
    const knocksBefore = knocks;
    const answer = await write(config);
    await until(
      async () => (await say(config, { kind: "tell" })).state.waits || undefined,
      20_000,
      () => new Error("It does not tell that a write waits"),
    );
    expect([answer(), knocks]).toEqual([undefined, knocksBefore]);
    await say(config, { kind: "stale" });
    expect(await answered(answer)).toMatchObject({ error: 5, cookie: 7n });
  });

  test("[S16, S20] which was let go: it goes on answering, sends nothing to the copy, and is of no use for a resync", async () => {
    const config = await configOf();
    await twoOf(config, { kind: "let-go" });
    const knocksBefore = knocks;
    expect(await answered(await write(config))).toEqual({ error: 0, cookie: 7n });
    const { refused, state } = await say(config, { kind: "connect", doors: config.doors });
    expect([refused, state.mode, knocks]).toEqual(["it was let go", "gone", knocksBefore]);
  });

  test("[S16] of a run that is attached anew: it knows nothing of that", async () => {
    const config = await configOf();
    await twoOf(config, { kind: "stale" });
    expect(existsSync(leftFile(config.control))).toBe(true);
    writeRelayConfig(folder, config);
    expect(existsSync(leftFile(config.control))).toBe(false);
  });
});
