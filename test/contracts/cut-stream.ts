import { connect, createServer, type Server, type Socket } from "node:net";
import type { Door } from "../../src/ports/migration.ts";

const address = "127.0.0.3";

/** A link in the way of a guest that moves: it knows what passes, and breaks where a test wants it. */
export type CutStream = {
  /** Where the source is to knock instead. */
  readonly door: Door;
  passed(): number;
  /** What passed last, at most 256 KiB. */
  tail(): Buffer;
  /** After so many further bytes it is reset on both sides; or, where it swallows, nothing gets through any more. */
  breakAfter(bytes: number, how: "reset" | "swallow"): void;
  close(): void;
};

/** In front of one door, without TLS. */
export async function openCutStream(real: Door): Promise<CutStream> {
  const sockets = new Set<Socket>();
  const watch = (socket: Socket): Socket => {
    sockets.add(socket.on("error", () => undefined));
    return socket.on("close", () => sockets.delete(socket));
  };
  let behind = 0;
  let passed = 0;
  let tail = Buffer.alloc(0);
  let left = Number.POSITIVE_INFINITY;
  let how: "reset" | "swallow" = "reset";
  const cut = (...ends: readonly Socket[]): void => {
    if (left <= 0 && how === "reset") for (const end of ends) end.resetAndDestroy();
  };
  const stream = createServer((from) => {
    const to = watch(connect({ host: real.address, port: behind }));
    watch(from).on("data", (data: Buffer) => {
      const through = data.subarray(0, Math.min(left, data.length));
      left -= through.length;
      passed += through.length;
      tail = Buffer.concat([tail, through]).subarray(-256 * 1024);
      if (through.length > 0) to.write(through, () => cut(from, to));
      else cut(from, to);
    });
    from.on("close", () => (how === "reset" ? to.end() : undefined));
    to.on("close", () => from.end());
  });
  const streamPort = await listen(stream);
  const knocks = createServer((from) => {
    const to = watch(connect({ host: real.address, port: real.port }));
    watch(from).pipe(to);
    to.setEncoding("utf8").on("data", (line: string) => {
      const answer = JSON.parse(line);
      // A port that it is to try first.
      if ("try" in answer) {
        to.write('{"reached":true}\n');
        return;
      }
      behind = answer.port;
      from.end(`${JSON.stringify({ ...answer, port: streamPort })}\n`);
    });
  });
  const port = await listen(knocks);
  return {
    door: { address, port },
    passed: () => passed,
    tail: () => tail,
    breakAfter: (bytes, as) => {
      left = bytes;
      how = as;
      if (bytes === 0) cut(...sockets);
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      stream.close();
      knocks.close();
    },
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen({ host: address, port: 0 }, () => {
      const found = server.address();
      resolve(typeof found === "object" && found !== null ? found.port : 0);
    });
  });
}
