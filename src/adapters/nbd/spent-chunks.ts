import type { Writable } from "node:stream";
import { assert } from "../../base/assert.ts";

/**
 * Gives the memory of a socket's chunks back as soon as nothing in them is of use any more. Left to the collector alone, those
 * that were under way for long grow old and pile up by tens of MiB. It counts bytes, because a chunk holds parts of several
 * requests.
 */
export class SpentChunks {
  readonly #spent = new WeakMap<ArrayBufferLike, number>();

  /** Each byte once. Nobody reads these again, and no socket still has to write them: they may be empty from now on. */
  spend(chunks: readonly Buffer[]): void {
    for (const { buffer, byteLength } of chunks) {
      const spent = (this.#spent.get(buffer) ?? 0) + byteLength;
      this.#spent.set(buffer, spent);
      if (spent === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
    }
  }
}

/** What one request carries: needed until it is answered, and until every connection that was given it has written it. */
export class Payload {
  readonly chunks: readonly Buffer[];
  readonly #spent: SpentChunks;
  #writing = 0;
  #isAnswered = false;
  /** A connection ended while it had it: who still reads it then nobody says, and it is left to the collector. */
  #isLeft = false;

  constructor(chunks: readonly Buffer[], spent: SpentChunks) {
    this.chunks = chunks;
    this.#spent = spent;
  }

  get isEmpty(): boolean {
    return this.chunks.length === 0;
  }

  /** Writes all of it. Throws where some of it was given back: the replica would take the next request for this one's data (S16). */
  writeTo(socket: Pick<Writable, "write">, length: number): void {
    const bytes = this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    assert(bytes === length, () => `Cannot send: ${bytes} of ${length} bytes are left`);
    this.#writing += 1;
    const written = (error: Error | null | undefined): void => {
      this.#writing -= 1;
      this.#isLeft ||= error !== null && error !== undefined;
      this.#giveBack();
    };
    for (const [i, chunk] of this.chunks.entries())
      if (i < this.chunks.length - 1) socket.write(chunk);
      else socket.write(chunk, written);
  }

  /** Once: nobody sends it again. */
  answered(): void {
    this.#isAnswered = true;
    this.#giveBack();
  }

  #giveBack(): void {
    if (this.#isAnswered && this.#writing === 0 && !this.#isLeft) this.#spent.spend(this.chunks);
  }
}
