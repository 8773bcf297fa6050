import { z } from "zod";
import type { Incarnation, Nonce } from "./ids.ts";

// The JSON of the heart's files and sockets on its host (docs/designs/0001): data of another process, parsed where they enter.

const incarnation = z
  .int()
  .min(1)
  .transform((number) => number as Incarnation);
const nonce = z
  .string()
  .min(1)
  .transform((text) => text as Nonce);

/** `incarnation.json`. */
export const ownIncarnationSchema = z.object({ incarnation, nonce });

/** A line of the agent on `heart.sock`. */
export const agentAliveSchema = z.object({ alive: z.object({ poolAgeMs: z.number().min(0).nullable() }) });

/** The agent's first line on `heart.sock`: the process that the heart ends where it hangs (S13). */
export const agentHelloSchema = z.object({ agent: z.object({ pid: z.int().min(1) }) });

/** A line of the heart on `heart.sock`: `HeartSays` of ports/heart.ts. */
export const heartSaysSchema = z.object({
  phase: z.enum(["waiting", "registering", "beating", "fenced", "refused"]),
  incarnation: incarnation.nullable(),
  nonce: nonce.nullable(),
  frozen: z.boolean(),
  trouble: z.string().nullable(),
});
