import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { LabError } from "./lab-error.ts";
import { accelLine, checkDemo, checkPort, memoryShareMiB } from "./readiness.ts";

describe("Before a lab starts", () => {
  test("a demonstration needs hosts that outlive the one it ends", () => {
    for (const hosts of [1, 2]) expect(() => checkDemo(hosts)).toThrow(LabError);
    expect(() => checkDemo(3)).not.toThrow();
  });

  test("a port that somebody has is refused; a free one is left free", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await expect(checkPort(port)).rejects.toThrow(`Port ${port} on 127.0.0.1 cannot be opened: it is in use.`);
    await new Promise((resolve) => server.close(resolve));
    await checkPort(port);
    await checkPort(port);
    await checkPort(0);
  });

  test("hosts share the machine's memory, and each keeps some for itself", () => {
    expect(memoryShareMiB(24_105, 3, 512)).toBe(7_523);
    expect(3 * memoryShareMiB(24_105, 3, 512)).toBeLessThan(24_105);
    expect(memoryShareMiB(2_048, 16, 512)).toBe(256);
  });

  test("KVM that does not boot a guest is told of once, ordered or not; KVM that does is no news", () => {
    expect(accelLine({ accel: "kvm", code: "accel-kvm-proven" }, false)).toBeUndefined();
    expect(accelLine({ accel: "kvm", code: "accel-kvm-proven" }, true)).toBeUndefined();
    expect(accelLine({ accel: "tcg", code: "accel-kvm-hangs" }, false)).toBe(
      "KVM: /dev/kvm exists, but a trial guest printed nothing under KVM within 10 s. Emulation is used (tcg), many times slower.",
    );
    expect(accelLine({ accel: "tcg", code: "accel-kvm-hangs" }, true)).toContain("VMs may hang");
    expect(accelLine({ accel: "tcg", code: "accel-no-kvm" }, false)).toContain("/dev/kvm is missing");
  });
});
