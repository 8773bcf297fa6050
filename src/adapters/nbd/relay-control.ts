import { z } from "zod";
import { parseJson } from "../../model/json.ts";

// What the driver and a relay say to each other over its control socket: one line of JSON each.

const doorSchema = z.object({ address: z.string(), port: z.int() });

/** The file that a relay starts from. Certificates by path: they are read anew with each connection. */
export const relayConfigSchema = z.object({
  schema: z.literal(1),
  cluster: z.string(),
  vm: z.string(),
  epoch: z.int(),
  /** The host of the replica: its certificate has to say so. */
  to: z.string(),
  doors: z.array(doorSchema),
  certificates: z.object({ ca: z.string(), cert: z.string(), key: z.string() }).nullable(),
  /** Unix sockets: where QEMU connects, and where the driver does. */
  nbd: z.string(),
  control: z.string(),
  volumes: z.array(z.object({ volume: z.string(), sizeBytes: z.number() })),
  /** A request that waits for as long, without any word of the peer, is told. */
  waitMs: z.int(),
  /**
   * For cycles, whose replica counts only once it is whole: a peer that is lost, or silent, is let go by the relay itself
   * (S25). It begins so, and connects by order, again and again.
   */
  letsGo: z.boolean().default(false),
  /** Nothing is copied at first: the replica has to have all of it, by the word of its own host (S15). */
  isEqual: z.boolean().default(false),
});
export type RelayConfig = z.infer<typeof relayConfigSchema>;

export const relayOrderSchema = z.object({
  id: z.int(),
  order: z.discriminatedUnion("kind", [
    /** Only once the stale record is committed (S16). */
    z.object({ kind: z.literal("stale") }),
    /** Connects, and once every volume is connected goes over to hold. */
    z.object({ kind: z.literal("connect"), doors: z.array(doorSchema).nullable() }),
    /** Sends nothing new, and is done once everything that was sent is answered. */
    z.object({ kind: z.literal("bar") }),
    z.object({ kind: z.literal("unbar") }),
    /**
     * For good: from here on everything is acknowledged and goes nowhere, so that QEMU's job comes to an orderly end. Only
     * once it is recorded that there is no replica to count on.
     */
    z.object({ kind: z.literal("let-go") }),
    z.object({ kind: z.literal("tell") }),
    z.object({ kind: z.literal("end") }),
  ]),
});
export type RelayOrder = z.infer<typeof relayOrderSchema>["order"];

export const relayStateSchema = z.object({
  /** Another one after each start: its counts begin anew. */
  relay: z.string(),
  /** Its process: killed by this where it does not end by order. */
  pid: z.int(),
  mode: z.enum(["hold", "stale", "gone"]),
  /** Requests that were answered with an error since the start. */
  refused: z.int(),
  /** How often it has let go of the peer by itself since the start. */
  lost: z.int().default(0),
  /** Payload that was sent to the replica since the start, repetitions included. */
  sentBytes: z.number(),
  /** Every volume has its connection to the replica. */
  connected: z.boolean(),
  /** The volumes for which QEMU is connected: nothing of them waits in it because no relay was there. */
  served: z.array(z.string()).default([]),
  /** A request has waited for `waitMs` or longer, and the peer said nothing meanwhile. */
  waits: z.boolean(),
  /** What lies there is not what was copied to before: only all of it makes a replica (S21). */
  behind: z.boolean().default(false),
  /** What keeps a volume from being connected, or its requests from being answered; null: nothing. */
  trouble: z.string().nullable(),
  /** The address of the peer that was last connected. */
  link: z.string().nullable(),
  /** The best of the last ten seconds in which there was something to see; null: nothing was seen yet. */
  figures: z
    .object({ latencyMs: z.number().nullable(), mibPerSecond: z.number().nullable() })
    .default({ latencyMs: null, mibPerSecond: null }),
});
export type RelayState = z.infer<typeof relayStateSchema>;

export const relaySaysSchema = z.object({
  /** Of the order that this answers; null: told by itself. */
  id: z.int().nullable(),
  /** Null: carried out. */
  refused: z.string().nullable(),
  state: relayStateSchema,
});
export type RelaySays = z.infer<typeof relaySaysSchema>;

/** Undefined: out of step, or another version. */
export function parseLine<T>(schema: z.ZodType<T>, line: string): T | undefined {
  const parsed = schema.safeParse(parseJson(line));
  return parsed.success ? parsed.data : undefined;
}
