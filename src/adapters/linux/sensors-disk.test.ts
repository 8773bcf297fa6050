import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { HostId } from "../../model/ids.ts";
import { readStateDisk, stateDiskCheck } from "./sensors-disk.ts";

const host = "h1" as HostId;
const check = (totalMiB: number, freeMiB: number) => stateDiskCheck(host, "/state", totalMiB, freeMiB);

describe("The disk of a host's own state", () => {
  test("warns before it is full, fails when the next write may not fit, and says how much is left", () => {
    expect(check(1_024, 700)).toEqual({
      ...{ id: "state-disk-full", subject: "h1", level: "ok", params: { host: "h1", path: "/state" } },
    });
    expect(check(1_024, 201)).toMatchObject({ level: "warn", params: { freeMiB: 192, totalMiB: 1_024 } });
    expect(check(1_024, 0)).toMatchObject({ level: "fail", params: { freeMiB: 0 } });
    expect(check(500_000, 300).level).toBe("ok");
    expect(check(500_000, 60).level).toBe("fail");
    expect(check(200, 60).level).toBe("ok");
  });

  test("where it is enough, no figure changes with each written block", () => {
    expect(check(1_024, 700)).toEqual(check(1_024, 650));
  });

  test("is read from the folder; one that is missing is unknown, not well", async () => {
    const stateDir = mkdtempSync(join(tmpdir(), "holdfast-state-"));
    expect((await readStateDisk({ host, stateDir })).id).toBe("state-disk-full");
    rmSync(stateDir, { recursive: true });
    expect(await readStateDisk({ host, stateDir })).toMatchObject({ id: "state-disk-unreadable", level: "unknown" });
  });
});
