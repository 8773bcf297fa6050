import { expect, test } from "vitest";
import type { WallMs } from "../../model/ids.ts";
import type { PointProof } from "../../model/point-proof.ts";
import { earlierText, proofText, testOf, testText } from "./point-checks.ts";

const proof = (at: number, kind: string, passed: boolean): PointProof => {
  const checks = [{ kind, passed, detail: passed ? "" : "no boot" }];
  return { point: "p1", at: at as WallMs, tookMs: 4_000, passed, checks };
};

test("[S20] of a point its proof is shown, but not where it did not even boot since", () => {
  const proven = proof(5, "http", true);
  expect(testText({ proof: proven, boot: proof(9, "boot", true), earlierProofs: [] })).toContain("proven on");
  expect(testText({ proof: proven, boot: proof(9, "boot", false), earlierProofs: [] })).toContain("failed on");
  expect(testText({ proof: proven, boot: proof(4, "boot", false), earlierProofs: [] })).toContain("proven on");
  expect(testText({ proof: null, boot: null, earlierProofs: [] })).toBe("-");
});

test("[S20] what was looked for stands with a proof, and a weaker one hides none that looked for more", () => {
  const [http, screen] = [proof(5, "http", true), proof(9, "screen", true)];
  expect(testText({ proof: screen, boot: null, earlierProofs: [http] })).toMatch(
    /^proven on .*: screen, 4\.0 s; before: proven on .*: HTTP, 4\.0 s$/u,
  );
  const both = { ...http, checks: [...http.checks, ...proof(5, "agent", true).checks] };
  expect(proofText(both)).toMatch(/: HTTP and guest agent, 4\.0 s$/u);
});

test("[S20] what a test came to is told and listed also where its point is gone since, with the moment of that", () => {
  const vm = { id: "vm:mail", name: "mail" };
  const gone = { ...proof(60_000, "http", true), point: "cycle-66", rpoMs: 5_000 };
  const left = { vm, proof: null, boot: null, earlier: [] };
  const all = [left, { ...left, earlier: [gone] }];
  expect(testOf(all, "cycle-66")).toEqual(gone);
  expect(testOf(all, "cycle-67")).toBeNull();
  expect(earlierText(all)).toMatch(/test of mail was of point cycle-66 of .*, which is gone since: proven on .*RPO 5/u);
  // One that is left was tested later.
  expect(earlierText([...all, { ...left, proof: proof(70_000, "http", false) }])).toBe("");
  expect(earlierText([left])).toBe("");
});
