import { rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";

/*
 * Runs inside the lab's network namespace, started by `openReach`: Node cannot enter a namespace itself. Each connection
 * to the unix socket names an address of the lab's networks on its first line (`10.93.0.20 80`); the answer is `ok` or
 * `failed CODE`; then bytes flow both ways.
 */
const path = process.argv[2] ?? "";
const lineMax = 100;

function serve(client: Socket): void {
  let head = "";
  const onData = (chunk: Buffer): void => {
    head += chunk.toString("latin1");
    const end = head.indexOf("\n");
    if (end < 0 && head.length <= lineMax) return;
    client.off("data", onData);
    client.pause();
    const [address = "", port = ""] = head.slice(0, end).split(" ");
    if (end >= 0) client.unshift(Buffer.from(head.slice(end + 1), "latin1"));
    join(client, address, Number(port));
  };
  client.on("data", onData);
  client.on("error", () => client.destroy());
}

function join(client: Socket, address: string, port: number): void {
  if (!/^\d+\.\d+\.\d+\.\d+$/u.test(address) || !Number.isInteger(port) || port < 1 || port > 65_535) {
    client.end("failed EINVAL\n");
    return;
  }
  const target = createConnection({ host: address, port, noDelay: true });
  let open = false;
  target.once("connect", () => {
    open = true;
    client.write("ok\n");
    client.pipe(target).pipe(client);
  });
  target.on("error", (error: NodeJS.ErrnoException) => {
    if (open) client.destroy();
    else client.end(`failed ${error.code ?? "EIO"}\n`);
  });
  client.once("close", () => target.destroy());
  target.once("close", () => client.end());
}

rmSync(path, { force: true });
createServer({ allowHalfOpen: true }, serve).listen(path);
