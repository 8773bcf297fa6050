import { connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { type KnockAnswer, knockAt, openDoors } from "./door.ts";

const knock = { cluster: "test", vm: "vm:web", epoch: 2 };
const access = { tls: null, to: "h2" as never, limitMs: 2_000, signal: new AbortController().signal };

/** Free at 127.0.0.1, one after the other, and below those that the kernel gives to connections of others. */
async function freePorts(count: number): Promise<{ first: number; last: number }> {
  for (let first = 20_000 + 2 * (process.pid % 5_000); first < 32_000; first += count) {
    const ports = Array.from({ length: count }, (_, i) => first + i);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return { first, last: first + count - 1 };
  }
  throw new Error("no free ports");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

async function knocking(open: (address: string) => KnockAnswer) {
  const asked: string[] = [];
  const { doors, close } = await openDoors({
    addresses: ["127.0.0.1", "127.0.0.2"],
    tls: null,
    from: "h1" as never,
    expects: knock,
    open: async (address) => {
      asked.push(address);
      return open(address);
    },
  });
  const answers: KnockAnswer[] = [];
  for (const door of [...doors, ...doors.slice(1)]) answers.push(await knockAt(door, knock, access));
  close();
  return { asked, answers };
}

test("whoever could not be let in at one address is, at the next; and nobody after that", async () => {
  const { asked, answers } = await knocking((address) =>
    address === "127.0.0.1" ? { no: "in use" } : { port: 49_152 },
  );
  expect(asked).toEqual(["127.0.0.1", "127.0.0.2"]);
  expect(answers).toEqual([{ no: "in use" }, { port: 49_152 }, { no: "somebody was here before" }]);
});

test("one is let in, once", async () => {
  const { asked, answers } = await knocking(() => ({ port: 49_152 }));
  expect(asked).toEqual(["127.0.0.1"]);
  expect(answers.map((answer) => "port" in answer)).toEqual([true, false, false]);
});

test("whoever can, tries a port at each address before it is let in there; whoever cannot is let in as before", async () => {
  const tried: number[] = [];
  const tries = await freePorts(2);
  const { doors, close } = await openDoors({
    addresses: ["127.0.0.1"],
    tls: null,
    from: "h1" as never,
    expects: knock,
    tries,
    open: async () => ({ port: 49_152 }),
    again: true,
  });
  const [door] = doors;
  if (door === undefined) throw new Error("no door");
  expect(await knockAt(door, { ...knock, tries: true }, access)).toEqual({ port: 49_152 });
  expect(await knockAt(door, knock, access)).toEqual({ port: 49_152 });
  const answered = await new Promise<string>((resolve) => {
    const socket = connect({ host: door.address, port: door.port }).setEncoding("utf8");
    socket.on("data", (line: string) => {
      const { try: port } = JSON.parse(line);
      if (port === undefined) resolve(line);
      else {
        tried.push(port);
        socket.write(`${JSON.stringify({ reached: false })}\n`);
      }
    });
    socket.write(`${JSON.stringify({ schema: 1, ...knock, tries: true })}\n`);
  });
  close();
  expect(tried).toEqual([tries.first]);
  expect(JSON.parse(answered)).toEqual({ no: "its ports do not connect" });
});

test("doors are opened among the ports that a firewall lets through, the last free one first; none is left: at any", async () => {
  const within = await freePorts(2);
  const open = () =>
    openDoors({
      addresses: ["127.0.0.1"],
      tls: null,
      from: "h1" as never,
      expects: knock,
      within,
      open: async () => ({ port: 49_152 }),
    });
  const opened = [await open(), await open(), await open()];
  const ports = opened.map(({ doors }) => doors[0]?.port ?? 0);
  expect(ports.slice(0, 2)).toEqual([within.last, within.first]);
  expect(ports[2]).toBeGreaterThan(0);
  expect([within.first, within.last]).not.toContain(ports[2]);
  const nowhere = await openDoors({
    addresses: ["203.0.113.7"],
    tls: null,
    from: "h1" as never,
    expects: knock,
    within,
    open: async () => ({ port: 49_152 }),
  });
  expect(nowhere.doors).toEqual([]);
  for (const { close } of opened) close();
});

test("whoever opens late is told whether the one who knocked still waits", async () => {
  const found: boolean[] = [];
  const held: (() => void)[] = [];
  const { doors, close } = await openDoors({
    addresses: ["127.0.0.1"],
    tls: null,
    from: "h1" as never,
    expects: knock,
    again: true,
    open: async (_address, _volume, _known, waits) => {
      await new Promise<void>((resolve) => held.push(resolve));
      found.push(waits());
      return { port: 49_152 };
    },
  });
  const [door] = doors;
  if (door === undefined) throw new Error("there is no door");
  const given = new AbortController();
  const first = knockAt(door, knock, { ...access, signal: given.signal });
  await expect.poll(() => held.length, { timeout: 10_000 }).toBe(1);
  given.abort();
  expect(await first).toEqual({ no: "given up" });
  const second = knockAt(door, knock, access);
  await expect.poll(() => held.length, { timeout: 10_000 }).toBe(2);
  for (const go of held) go();
  expect(await second).toEqual({ port: 49_152 });
  expect(found).toEqual([false, true]);
  close();
});
