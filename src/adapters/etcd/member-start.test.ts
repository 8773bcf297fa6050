import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { ClusterId } from "../../model/ids.ts";
import { forcedMark, memberCommand, memberDataDir, startOrders } from "./member.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A host with data of its member, started by its real script; an `etcd` that only says how it was called stands in for etcd. */
function openMember() {
  const stateDir = mkdtempSync(join(tmpdir(), "hf-member-"));
  folders.push(stateDir);
  const [runDir, programs, dataDir] = [join(stateDir, "run"), join(stateDir, "bin"), memberDataDir(stateDir)];
  for (const folder of [runDir, programs, dataDir]) mkdirSync(folder);
  writeFileSync(join(dataDir, "data"), "kept");
  writeFileSync(join(programs, "etcd"), '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
  const spec = {
    ...{ name: "h1", cluster: "c" as ClusterId, address: "10.0.0.1", clientPort: 2379, peerPort: 2380, dataDir },
    tls: { ca: "ca.pem", cert: "cert.pem", key: "key.pem" },
  };
  const initial = { state: "new", members: [{ name: "h1", peerUrl: "https://10.0.0.1:2380" }] } as const;
  const [file, ...args] = memberCommand(spec, initial, { runDir, stateDir });
  const env = { PATH: `${programs}:${process.env["PATH"]}` };
  const start = () => execFileSync(file, args, { env, encoding: "utf8" }).split("\n");
  return { start, order: startOrders(runDir).force, mark: forcedMark(dataDir), copy: `${dataDir}.before` };
}

const forces = "--force-new-cluster";

test("[S24] an order to force is carried out by one start, with a copy of the data, and its words are the mark", () => {
  const { start, order, mark, copy } = openMember();
  writeFileSync(order, "the order");
  expect(start()).toContain(forces);
  expect(readFileSync(mark, "utf8")).toBe("the order");
  expect(readFileSync(join(copy, "data"), "utf8")).toBe("kept");
  expect(existsSync(order)).toBe(false);
  expect(start()).not.toContain(forces);
});

test("[S24] one that its daemon has left behind is not carried out by a later start, nor taken for one that was", () => {
  const { start, order, mark } = openMember();
  writeFileSync(order, "the order");
  const longAgo = Date.now() / 1_000 - 600;
  utimesSync(order, longAgo, longAgo);
  expect(start()).not.toContain(forces);
  expect([existsSync(mark), existsSync(order)]).toEqual([false, true]);
});
