import { expect, test } from "vitest";
import { busyUs, residentMiB, takenMiB } from "./sensors-usage.ts";

test("processors work in user, nice, system and interrupts; not in idle, waits, what was stolen, or guests twice", () => {
  const stat = "cpu  100 20 30 9000 800 4 5 70 60 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
  expect(busyUs(stat)).toBe((100 + 20 + 30 + 4 + 5) * 10_000);
  expect(() => busyUs("cpu0 1 1 1 1 1 1 1 1 1 1\n")).toThrow("/proc/stat");
  expect(() => busyUs("cpu  1 2 3\n")).toThrow("/proc/stat");
});

test("memory that could not be given away without swapping is taken", () => {
  expect(takenMiB("MemTotal:  4096000 kB\nMemFree:  1024 kB\nMemAvailable:  2048000 kB\n")).toBe(2000);
  expect(() => takenMiB("MemTotal:  4096000 kB\nMemFree:  1024 kB\n")).toThrow("MemAvailable");
});

test("a process holds its own and shared memory, not files; a kernel thread holds nothing", () => {
  expect(residentMiB("VmRSS:\t 9999 kB\nRssAnon:\t  2048 kB\nRssFile:\t 512 kB\nRssShmem:\t 1024 kB\n")).toBe(3);
  expect(residentMiB("Name:\tkworker/0:1\nState:\tI (idle)\n")).toBe(0);
});
