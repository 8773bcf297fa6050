import { expect, test } from "vitest";
import { findCgroupMount } from "./cgroup.ts";

test("the v2 mount is found wherever it is", () => {
  const legacy = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n";
  expect(findCgroupMount(`${legacy}cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n`)).toBe("/sys/fs/cgroup/unified");
  expect(findCgroupMount("none /mnt/my\\040groups cgroup2 rw 0 0\n")).toBe("/mnt/my groups");
  expect(findCgroupMount(legacy)).toBeUndefined();
});
