import { join } from "node:path";
import { isProcessOf } from "../linux/process.ts";
import type { TlsTexts } from "./door.ts";
import { writeTlsFolder } from "./move-tls.ts";
import { endDaemon, type Receiving, ReplicaDaemon } from "./replica-daemon.ts";
import {
  daemonSocket,
  nodeOf,
  type Received,
  type ReceivedVolume,
  readReceived,
  updateReceived,
} from "./replica-files.ts";
import { takeUpMerges } from "./replica-points.ts";

/** The name of its credentials in the storage daemon. */
export const tlsId = "tls";

/** The daemon that is there, where it answers; a hung one is ended before another one has the images (S19). */
export async function daemonFor(
  options: { readonly runDir: string },
  receiving: Receiving,
  received: Received,
  tls: TlsTexts | null,
): Promise<boolean> {
  const socket = daemonSocket(options.runDir, received.vm);
  const { daemon } = receiving;
  // S20: one that was killed or silent while a point was laid is replaced by one that begins with what the files say.
  const isUnsure = readReceived(options.runDir, received.vm)?.laying;
  if (!isUnsure && daemon !== undefined && !daemon.isOver && (await daemon.exports()) !== undefined) return true;
  daemon?.close();
  receiving.daemon = undefined;
  const pid = daemon?.pid ?? received.pid;
  if (isUnsure) {
    if (pid !== null && isProcessOf(pid, socket) && !(await endDaemon(pid, socket))) return false;
    updateReceived(options.runDir, received.vm, () => ({ laying: undefined }));
  } else if (received.pid !== null && isProcessOf(received.pid, socket)) {
    receiving.daemon = await ReplicaDaemon.take(socket, received.pid);
    if (receiving.daemon !== undefined) {
      takeUpMerges(options.runDir, receiving);
      return true;
    }
    if (!(await endDaemon(received.pid, socket))) return false;
  }
  const secrets =
    tls === null ? [] : ["--object", JSON.stringify(credentials(writeTlsFolder(join(socket, ".."), tls)))];
  const { volumes } = readReceived(options.runDir, received.vm) ?? received;
  const nodes = volumes.flatMap(nodesOf).flatMap((node) => ["--blockdev", JSON.stringify(node)]);
  receiving.daemon = await ReplicaDaemon.start(socket, [...secrets, ...nodes]);
  return receiving.daemon !== undefined;
}

function credentials(dir: string): object {
  return { "qom-type": "tls-creds-x509", id: tlsId, endpoint: "server", dir, "verify-peer": true };
}

/**
 * Each layer by its own name, the lowest first, because each names the one below it. Only the uppermost is written: one that is
 * open for writing keeps everybody else from reading what lies on it, a test of its point as well (S20).
 */
function nodesOf({ folder, layers }: ReceivedVolume): readonly object[] {
  return layers.map((layer, i) => ({
    ...nodeOf(folder, layer),
    "read-only": i + 1 < layers.length,
    ...(i === 0 ? {} : { backing: layers[i - 1]?.node }),
  }));
}
