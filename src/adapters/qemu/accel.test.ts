import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { chooseAccel } from "./accel.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-accel-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("what the configuration orders is not tried", async () => {
  const cacheFile = join(folder, "accel.json");
  expect(await chooseAccel({ wanted: "tcg", cacheFile, kernel: null })).toEqual({
    accel: "tcg",
    code: "accel-ordered",
  });
  expect(await chooseAccel({ wanted: "kvm", cacheFile, kernel: null })).toEqual({
    accel: "kvm",
    code: "accel-ordered",
  });
});

test("KVM is not believed without a guest's line; the result is kept for this boot only", async () => {
  const cacheFile = join(folder, "accel.json");
  const kernel = { path: cacheFile, initrd: cacheFile };
  writeFileSync(cacheFile, JSON.stringify({ boot: "another", accel: "kvm" }));
  // A QEMU that ends without a word stands for one whose guest hangs.
  const choice = await chooseAccel({ wanted: "auto", cacheFile, kernel, binary: "/bin/true" });
  expect(choice.accel).toBe("tcg");
  if (choice.code === "accel-no-kvm") return;
  expect(choice.code).toBe("accel-kvm-hangs");
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  expect(JSON.parse(readFileSync(cacheFile, "utf8"))).toEqual({ boot, accel: "tcg" });
  expect(await chooseAccel({ wanted: "auto", cacheFile, kernel, binary: "/nowhere" })).toEqual(choice);
});
