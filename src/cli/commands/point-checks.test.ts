import { expect, test } from "vitest";
import type { WallMs } from "../../model/ids.ts";
import type { PointProof } from "../../model/point-proof.ts";
import { testText } from "./point-checks.ts";

const proof = (at: number, kind: string, passed: boolean): PointProof => {
  const checks = [{ kind, passed, detail: passed ? "" : "no boot" }];
  return { point: "p1", at: at as WallMs, tookMs: 4_000, passed, checks };
};

test("[S20] of a point its proof is shown, but not where it did not even boot since", () => {
  const proven = proof(5, "http", true);
  expect(testText({ proof: proven, boot: proof(9, "boot", true) })).toContain("proven on");
  expect(testText({ proof: proven, boot: proof(9, "boot", false) })).toContain("failed on");
  expect(testText({ proof: proven, boot: proof(4, "boot", false) })).toContain("proven on");
  expect(testText({ proof: null, boot: null })).toBe("-");
});
