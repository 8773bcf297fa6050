import { createConnection } from "node:net";
import type { RelayOrder } from "../../src/adapters/nbd/relay-control.ts";

/** What a relay answers to one order, beside its driver. */
export function controlOrder(path: string, order: RelayOrder): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    socket.on("error", reject);
    let text = "";
    socket.setEncoding("utf8").on("data", (data: string) => {
      text += data;
      for (const line of text.split("\n").slice(0, -1)) {
        const says = JSON.parse(line);
        if (says.id !== 1) continue;
        socket.destroy();
        resolve(says);
        return;
      }
    });
    socket.write(`${JSON.stringify({ id: 1, order })}\n`);
  });
}
