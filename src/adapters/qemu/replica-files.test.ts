import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { topImages } from "./replica-files.ts";

test("[S25] a QEMU opens the uppermost layer of what was received here, and nothing that is in cycles", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-tops-"));
  const layers = [
    { file: "web-0.raw", format: "raw", node: "v0l0" },
    { file: "web-0.2.qcow2", format: "qcow2", node: "v0l2" },
  ];
  const received = {
    ...{ schema: 1, vm: "vm:web", epoch: 4, from: "h1", tls: true, addresses: [], ports: {}, pid: null },
    ...{ volumes: [{ volume: "web-0", sizeMiB: 64, folder, layers }], points: [], lastLayer: 2 },
  };
  const write = (more: object): void =>
    writeFileSync(join(folder, "web-0.layers"), JSON.stringify({ ...received, ...more }));
  try {
    expect(topImages(folder, "web-0")).toEqual(new Map());
    write({ cycles: null });
    expect(topImages(folder, "web-0")?.get("web-0")).toMatchObject({
      path: join(folder, "web-0.2.qcow2"),
      format: "qcow2",
    });
    write({ cycles: { last: null, open: null } });
    expect(topImages(folder, "web-0")).toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
