import { existsSync, rmSync, writeFileSync } from "node:fs";
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
    this.#leftFile = join(dirname(control), "left");
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
   * S20: the guest goes on without its copies. What they hold is of one moment as long as nothing newer is written there, and
   * without what came before it.
   */
  get isLeft(): boolean {
    return existsSync(this.#leftFile);
  }

  noteLeft(isLeft: boolean): void {
    if (!isLeft) rmSync(this.#leftFile, { force: true });
    else {
      try {
        writeFileSync(this.#leftFile, "");
      } catch {
        // Without room for an empty file: the guest that waits comes first, and only a relay that dies now would need it.
      }
    }
  }
}
