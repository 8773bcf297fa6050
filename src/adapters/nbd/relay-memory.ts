import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { readDurable, writeDurably } from "../qemu/replica-files.ts";

const copySchema = z.object({ image: z.string(), counter: z.int() });
/** The replica's image of one volume, as it was with its last connection (S21). */
export type KnownCopy = z.infer<typeof copySchema>;

const memorySchema = z.record(z.string(), copySchema);

/** Beside the relay's control socket. */
export function memoryFile(control: string): string {
  return join(dirname(control), "copies.json");
}

/** Beside it, too. */
export function leftFile(control: string): string {
  return join(dirname(control), "left");
}

export type Left = "stale" | "gone";

/**
 * What the relays of one run copied to. QEMU's bitmaps outlive a relay: the next one has to know which images they fit, or what
 * was copied before would pass for being in an image that was made anew (S18, S21).
 */
export class RelayMemory {
  readonly #file: string;
  readonly #leftFile: string;
  readonly #known: Map<string, KnownCopy>;
  /** Something is noted, and nobody can read it. */
  readonly isUnreadable: boolean;

  constructor(control: string) {
    this.#file = memoryFile(control);
    this.#leftFile = leftFile(control);
    const found = readDurable(this.#file, memorySchema);
    this.isUnreadable = found === undefined && existsSync(this.#file);
    this.#known = new Map(Object.entries(found ?? {}));
  }

  /** Undefined: nothing was ever copied. */
  of(volume: string): KnownCopy | undefined {
    return this.#known.get(volume);
  }

  /** Before anything is sent there. */
  note(volume: string, copy: KnownCopy): void {
    const next = new Map(this.#known).set(volume, copy);
    writeDurably(this.#file, Object.fromEntries(next));
    this.#known.set(volume, copy);
  }

  /**
   * S20: the guest goes on without its copies: `stale`, and what it writes is noted by QEMU; `gone`, and by nobody. What they hold
   * is of one moment as long as nothing newer is written there without what came before it.
   */
  get left(): Left | undefined {
    try {
      return readFileSync(this.#leftFile, "utf8") === "gone" ? "gone" : "stale";
    } catch {
      return undefined; // Nobody has noted it.
    }
  }

  /** Null: they are sent to again. False: it cannot be noted. */
  noteLeft(left: Left | null): boolean {
    try {
      if (left === null) rmSync(this.#leftFile, { force: true });
      else writeFileSync(this.#leftFile, left);
      return true;
    } catch {
      return false;
    }
  }
}
