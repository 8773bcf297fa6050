import type { Incarnation, Nonce } from "../model/ids.ts";

/** What the heart tells the agent on each change, and now and then again. */
export type HeartSays = {
  readonly phase: "waiting" | "registering" | "beating" | "fenced" | "refused";
  /** Null before the first registration. */
  readonly incarnation: Incarnation | null;
  readonly nonce: Nonce | null;
  readonly frozen: boolean;
  /** Why it is not beating: a code of `messages`; null where it is. */
  readonly trouble: string | null;
};

/** The agent's line to this host's heart. */
export interface HeartLink {
  /** Once a second: the agent lives; its pools answered `poolAgeMs` ago (null: not probed). */
  alive(poolAgeMs: number | null): void;
  /** The newest word; `lost` while the heart is not there. */
  listen(listener: (says: HeartSays | "lost") => void): void;
}
