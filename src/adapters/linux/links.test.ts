import { createServer } from "node:net";
import { expect, test } from "vitest";
import { answering, openLinks } from "./links.ts";

test("an address answers where somebody listens, and where nobody does; one that is nobody's does not", async () => {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  // No connection is ever made to the broadcast address.
  expect(await answering(["127.0.0.1", "255.255.255.255"], { ports: [port], limitMs: 200 })).toEqual(["127.0.0.1"]);
  await new Promise((done) => server.close(done));
  expect(await answering(["127.0.0.1"], { ports: [port], limitMs: 200 })).toEqual(["127.0.0.1"]);
  expect(await new Promise((done) => openLinks().answering(["127.0.0.1"], done))).toEqual(["127.0.0.1"]);
});
