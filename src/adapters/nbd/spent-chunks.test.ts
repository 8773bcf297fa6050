import { expect, test } from "vitest";
import { Payload, SpentChunks } from "./spent-chunks.ts";
import { ByteQueue } from "./wire.ts";

/** As a socket hands it out: memory of its own. */
function chunkOf(text: string): Buffer {
  return Buffer.from(new TextEncoder().encode(text).buffer);
}

test("[S16] a chunk is given back once all requests that have a part in it are over, and not before", () => {
  const [spent, queue] = [new SpentChunks(), new ByteQueue()];
  queue.push(chunkOf("headone"));
  queue.push(chunkOf("twohead"));
  const head = queue.takeChunks(4);
  const [one, two] = [queue.takeChunks(4), queue.takeChunks(2)];
  spent.spend(head);
  spent.spend(two);
  expect(Buffer.concat(one).toString()).toBe("onet");
  expect(Buffer.concat(queue.takeChunks(4)).toString()).toBe("head");
  spent.spend(one);
  expect(one.map(({ length }) => length)).toEqual([0, 1]);
});

test("a chunk of which nothing was taken yet stays", () => {
  const [spent, queue] = [new SpentChunks(), new ByteQueue()];
  queue.push(chunkOf("abcdef"));
  spent.spend(queue.takeChunks(5));
  expect(Buffer.concat(queue.takeChunks(1)).toString()).toBe("f");
});

type Written = (error?: Error | null) => void;

/** A connection that says when, and whether, it has written. */
function connection() {
  const written: Written[] = [];
  const texts: string[] = [];
  const write = (chunk: Buffer, done?: Written): boolean => {
    texts.push(chunk.toString());
    if (done !== undefined) written.push(done);
    return true;
  };
  return { socket: { write } as Parameters<Payload["writeTo"]>[0], written, texts };
}

function payloadOf(...texts: readonly string[]): Payload {
  return new Payload(texts.map(chunkOf), new SpentChunks());
}
const lengths = ({ chunks }: Payload) => chunks.map(({ length }) => length);

test("[S16] a payload is given back once it is answered and written, in whichever order", () => {
  const [first, second] = [payloadOf("ab", "cd"), payloadOf("ef")];
  const { socket, written } = connection();
  first.writeTo(socket, 4);
  second.writeTo(socket, 2);
  written[0]?.();
  expect(lengths(first)).toEqual([2, 2]);
  first.answered();
  expect(lengths(first)).toEqual([0, 0]);
  second.answered();
  expect(lengths(second)).toEqual([2]);
  written[1]?.(null);
  expect(lengths(second)).toEqual([0]);
});

test("[S16] what a connection had when it ended is sent whole over the next one, and is left as it is", () => {
  const payload = payloadOf("ab", "cd");
  const [broken, next] = [connection(), connection()];
  payload.writeTo(broken.socket, 4);
  payload.writeTo(next.socket, 4);
  next.written[0]?.();
  payload.answered();
  expect(lengths(payload)).toEqual([2, 2]);
  broken.written[0]?.(new Error("gone"));
  expect([next.texts, lengths(payload)]).toEqual([
    ["ab", "cd"],
    [2, 2],
  ]);
});

test("[S16] a payload of which something was given back is not sent", () => {
  const payload = payloadOf("ab");
  payload.answered();
  expect(() => payload.writeTo(connection().socket, 2)).toThrow("0 of 2 bytes are left");
});
