import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readGuestCpu } from "../../src/adapters/qemu/guest-cpu.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-cpu-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("[PL8] QEMU says what guests can be shown; once for each boot and version", async () => {
  const options = { accel: "tcg", version: "1", cacheFile: join(folder, "cpu.json") } as const;
  const cpu = await readGuestCpu(options);
  expect(cpu?.models).toMatchObject({ qemu64: [], kvm64: [] });
  expect(cpu?.models["EPYC"]).toContain("topoext");
  expect(cpu?.flags).toEqual(expect.arrayContaining(["aes", "sse2"]));
  expect(cpu?.flags.filter((flag) => /^x-|^hv-|_|migratable/u.test(flag))).toEqual([]);
  expect(await readGuestCpu({ ...options, binary: "/nowhere" })).toEqual(cpu);
  expect(await readGuestCpu({ ...options, version: "2", binary: "/nowhere" })).toBeUndefined();
  expect(await readGuestCpu({ ...options, version: "2", binary: "/bin/true" })).toBeUndefined();
});
