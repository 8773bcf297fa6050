import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { z } from "zod";
import { contract } from "../../src/api/contract/index.ts";
import { type ApiHost, startApiHost } from "../support/api-host.ts";
import { begin, spawned } from "../support/cli-run.ts";

const root = join(import.meta.dirname, "..", "..");
let api: ApiHost;
const servers: Server[] = [];
beforeEach(async () => {
  api = await startApiHost();
});
afterEach(async () => {
  await api.close();
  for (const server of servers.splice(0)) server.close();
});

describe("lab", () => {
  async function labAnswering(answer: object): Promise<{ socket: string; asked: () => unknown }> {
    let asked: unknown;
    const server = createServer((connection) => {
      connection.on("error", () => {});
      connection.once("data", (data) => {
        asked = JSON.parse(String(data));
        connection.write(`${JSON.stringify(answer)}\n`);
      });
    });
    servers.push(server);
    const socket = join(api.folder, "lab.sock");
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    return { socket, asked: () => asked };
  }

  test("a fault goes to the lab as one line of JSON", async () => {
    const lab = await labAnswering({ done: "Host h1 is off." });
    const { code, out } = await begin(["lab", "fault", "power-off", "h1"], { HOLDFAST_LAB: lab.socket }).ended;
    expect([code, lab.asked()]).toEqual([0, { fault: "power-off", host: "h1" }]);
    expect(out).toBe("Host h1 is off.\n");
  });

  test("a refused fault ends with 1 and the lab's own words", async () => {
    const lab = await labAnswering({
      cause: "No host h9.",
      effect: "Nothing was done.",
      remedy: "Hosts: h1.",
    });
    const { code, err } = await begin(["lab", "fault", "cut", "h9"], { HOLDFAST_LAB: lab.socket }).ended;
    expect(code).toBe(1);
    expect(err).toMatch(/^Cause: {3}No host h9\.\nEffect: {2}Nothing was done\.\nRemedy: {2}Hosts: h1\.\n/u);
  });

  test("without a lab: exit 3", async () => {
    const env = { HOLDFAST_LAB: join(api.folder, "no-lab.sock") };
    expect(await begin(["lab", "status"], env).ended).toMatchObject({
      code: 3,
      err: expect.stringContaining("npm run lab"),
    });
  });
});

describe("the command as a process", () => {
  test("works through a symlink from anywhere, and exits as it should", async () => {
    const link = join(api.folder, "hf");
    symlinkSync(join(root, "holdfast"), link);
    const env = { HOLDFAST_SOCKET: api.socket };
    const listed = await spawned(link, ["host", "list", "--json"], env);
    expect([listed.code, listed.err]).toEqual([0, ""]);
    expect((contract.host.list["~orpc"].outputSchema as z.ZodType).safeParse(JSON.parse(listed.out)).success).toBe(
      true,
    );
    expect(await spawned(link, ["vm", "show", "nix"], env)).toMatchObject({ code: 1, out: "" });
    expect(await spawned(link, ["nix"], env)).toMatchObject({ code: 2, out: "" });
    expect(await spawned(link, ["vm", "list"], { HOLDFAST_SOCKET: `${link}.sock` })).toMatchObject({
      code: 3,
      out: "",
    });
  });

  test("says what to do where set-up was not run", async () => {
    const bare = mkdtempSync(join(tmpdir(), "holdfast-bare-"));
    writeFileSync(join(bare, "holdfast"), readFileSync(join(root, "holdfast")), { mode: 0o755 });
    const { code, err } = await spawned(join(bare, "holdfast"), ["vm", "list"], {});
    rmSync(bare, { recursive: true, force: true });
    expect(code).toBe(3);
    expect(err).toMatch(/^Cause: .+not set up here.+\nEffect: .+\nRemedy: .+npm ci/u);
  });
});
