import { createConnection } from "node:net";
import { parseLine, type RelayState, relaySaysSchema } from "../../src/adapters/nbd/relay-control.ts";

/** What a relay says of itself to whoever connects. */
export function relayOf(control: string): Promise<RelayState> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: control });
    let text = "";
    socket.on("error", reject);
    socket.setEncoding("utf8").on("data", (data: string) => {
      text += data;
      const says = text.includes("\n") ? parseLine(relaySaysSchema, text.slice(0, text.indexOf("\n"))) : undefined;
      if (says === undefined) return;
      socket.destroy();
      resolve(says.state);
    });
  });
}
