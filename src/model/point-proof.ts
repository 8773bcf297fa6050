import { z } from "zod";
import { wallMs } from "./branded.ts";

/**
 * What a guest that was booted from a recovery point has to show. `http`: answers with a status below 400, and with the text
 * in it, at the address that it has in its own network. `agent`: its guest agent answers. `screen`: shows a picture that is
 * not of one colour.
 */
export const proofCheckSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("http"),
    /** With its prefix length, as the guest has it: `10.93.0.50/24`; null: it asks for one. */
    address: z.string().nullable(),
    port: z.int().min(1).max(65_535),
    path: z.string().startsWith("/"),
    text: z.string().nullable(),
  }),
  z.object({ kind: z.literal("agent") }),
  z.object({ kind: z.literal("screen") }),
]);
export type ProofCheck = z.infer<typeof proofCheckSchema>;

/** What came of a test failover, for people: "proven on …: HTTP, 4.2 s, RPO 35.0 s". */
export const pointProofSchema = z.object({
  point: z.string(),
  /** When it began, and how long it took until all checks were passed, or until it was given up. */
  at: wallMs,
  tookMs: z.int().min(0),
  passed: z.boolean(),
  /** `boot`, that its guest executes, and what it had to show besides. */
  checks: z.array(z.object({ kind: z.string(), passed: z.boolean(), detail: z.string() })),
  /** So much older than the test was what was tested: a return to it then would have lost that. Absent: nobody noted it. */
  rpoMs: z.int().min(0).optional(),
});
export type PointProof = z.infer<typeof pointProofSchema>;

/** Whoever asks for nothing learns that a guest executes, which an empty disk's does too: that proves nothing. */
export function isChecked(proof: Pick<PointProof, "checks">): boolean {
  return kindsChecked(proof).length > 0;
}

/** What its guest had to show besides executing. */
export function kindsChecked({ checks }: Pick<PointProof, "checks">): string[] {
  return checks.flatMap(({ kind }) => (kind === "boot" ? [] : [kind]));
}

/** `proven`: booted, and passed an HTTP, agent or screen check, and every one that was asked for. `booted`: nothing was asked. */
export function proofWord(proof: PointProof): "proven" | "booted" | "failed" {
  if (!proof.passed) return "failed";
  return isChecked(proof) ? "proven" : "booted";
}
