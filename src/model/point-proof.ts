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

/** What came of a test failover, for people: "proven on …: 4.2 s". */
export const pointProofSchema = z.object({
  point: z.string(),
  /** When it began, and how long it took until all checks were passed, or until it was given up. */
  at: wallMs,
  tookMs: z.int().min(0),
  passed: z.boolean(),
  checks: z.array(z.object({ kind: z.string(), passed: z.boolean(), detail: z.string() })),
});
export type PointProof = z.infer<typeof pointProofSchema>;
