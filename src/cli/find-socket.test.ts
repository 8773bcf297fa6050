import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findLabSocket, findSocket } from "./find-socket.ts";
import type { Io } from "./io.ts";
import { CliTrouble } from "./trouble.ts";

let records: string;
const servers: (Server | HttpServer)[] = [];
beforeEach(() => {
  records = mkdtempSync(join(tmpdir(), "hf-records-"));
});
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  rmSync(records, { recursive: true });
});

function io(HOLDFAST_LAB?: string): Io {
  const none = () => undefined;
  return { out: none, err: none, tty: false, env: { HOLDFAST_LAB }, stop: new AbortController().signal };
}

async function listening(server: Server | HttpServer, path: string): Promise<void> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

/** A lab as lab/record.ts leaves it; `hosts`: the age of what each one's daemon knows, null where none answers. */
async function lab(run: string, hosts: Readonly<Record<string, number | null>>): Promise<string> {
  const dir = join(records, run);
  writeFileSync(join(records, `${run}.json`), JSON.stringify({ run, dir, pid: 1 }));
  mkdirSync(dir);
  await listening(createServer(), join(dir, "lab.sock"));
  for (const [host, asOfMs] of Object.entries(hosts)) {
    mkdirSync(join(dir, host, "run"), { recursive: true });
    if (asOfMs === null) continue;
    const daemon = createHttpServer((_, response) => response.end(JSON.stringify({ asOfMs, hosts: [] })));
    await listening(daemon, join(dir, host, "run", "api.sock"));
  }
  return dir;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  return error instanceof CliTrouble ? error.code : "none";
}

describe("Which daemon and which lab are asked", () => {
  test("the only lab is found by its record; dead records count for nothing", async () => {
    writeFileSync(join(records, "dead.json"), JSON.stringify({ run: "dead", dir: join(records, "dead"), pid: 1 }));
    writeFileSync(join(records, "half.json"), "{");
    expect(await findLabSocket(io(), records)).toBeUndefined();
    const dir = await lab("aaaaaa", { h1: 5 });
    expect(await findLabSocket(io(), records)).toBe(join(dir, "lab.sock"));
    expect(await findSocket(io("aaaaaa"), undefined, records)).toBe(join(dir, "h1/run/api.sock"));
  });

  test("several labs: asked which, unless one is named", async () => {
    await lab("aaaaaa", { h1: 5 });
    const dir = await lab("bbbbbb", { h1: 5 });
    expect(await codeOf(findLabSocket(io(), records))).toBe("labs-several");
    expect(await findLabSocket(io("bbbbbb"), records)).toBe(join(dir, "lab.sock"));
    expect(await findSocket(io(join(dir, "lab.sock")), undefined, records)).toBe(join(dir, "h1/run/api.sock"));
    expect(await findSocket(io(dir), undefined, records)).toBe(join(dir, "h1/run/api.sock"));
    expect(await codeOf(findLabSocket(io("cccccc"), records))).toBe("lab-unknown");
    expect(await codeOf(findLabSocket(io(join(records, "cccccc", "lab.sock")), records))).toBe("lab-unknown");
  });

  test("of a lab's hosts one that hears the store is asked, in their order; a cut one only where all are", async () => {
    const dir = await lab("aaaaaa", { h1: null, h2: 60_000, h10: 100, h3: 1_900 });
    expect(await findSocket(io("aaaaaa"), undefined, records)).toBe(join(dir, "h3/run/api.sock"));
    const cut = await lab("bbbbbb", { h1: null, h2: 60_000, h3: 9_000 });
    expect(await findSocket(io("bbbbbb"), undefined, records)).toBe(join(cut, "h3/run/api.sock"));
  });
});
