import { rmSync } from "node:fs";
import type { Epoch } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { CeaseEnd, ReplicaCopy } from "../../ports/replication.ts";
import type { GoBack } from "../../ports/replication-cycles.ts";
import { removeFiles, setAside } from "./replica-aside.ts";
import { layOnAll, upTo } from "./replica-cycles.ts";
import { endDaemon, type Receiving } from "./replica-daemon.ts";
import {
  daemonSocket,
  type Received,
  type ReceivedVolume,
  readIdentity,
  readReceived,
  receivedFolder,
  topOf,
  writeLayers,
  writeReceived,
} from "./replica-files.ts";
import { copyTrouble, openFiles } from "./replica-identity.ts";
import { forgetPrepared } from "./replica-point-take.ts";
import { endWatch } from "./replica-watch.ts";

/** The end of a receiver: nothing can write its copies any more, and they are what they should be (S19, S21). */
export async function cease(runDir: string, receiving: Receiving): Promise<CeaseEnd> {
  const ended = await endWriting(runDir, receiving);
  if (ended.kind !== "ended") return ended;
  const { received, held } = ended;
  const { vm } = received;
  const trouble = received.cycles === null ? troubleOf(received, held) : refuse("replica-in-cycles", { vm });
  if (trouble !== undefined) {
    const { code, params } = trouble;
    if (received.cycles === null) writeReceived(runDir, { ...received, trouble: { code, params } });
    return trouble;
  }
  // Who died between both of its records has left the older one beside the images: starts go by that.
  writeLayers(received);
  rmSync(receivedFolder(runDir, vm), { recursive: true, force: true });
  return ceasedAs(received);
}

/** S20: the point stays as it is, and what was written since too; what is written from now on goes into a new layer. */
export async function ceaseAt(runDir: string, receiving: Receiving, back: GoBack): Promise<CeaseEnd> {
  const { vm } = receiving;
  const { point } = back;
  const isThere = readReceived(runDir, vm)?.points.some(({ id, whole }) => id === point && whole);
  if (isThere !== true) return refuse("replica-point-absent", { vm, point });
  const ended = await endWriting(runDir, receiving);
  if (ended.kind !== "ended") return ended;
  const sealed = upTo(ended.received, point);
  const trouble = troubleOf(sealed, new Set());
  if (trouble !== undefined) return trouble;
  const opened = await layOnAll(sealed);
  if (typeof opened === "string") return refuse("replica-point-failed", { vm, detail: opened });
  const { aside, gone } = setAside(ended.received, sealed, back, Date.now());
  writeReceived(runDir, { ...opened, aside: [...opened.aside, ...aside], wentBack: back.id });
  removeFiles(gone);
  rmSync(receivedFolder(runDir, vm), { recursive: true, force: true });
  return ceasedAs(opened);
}

/** Nobody receives them: as they lie there. */
export function ceasedAs(received: Received): CeaseEnd {
  return { kind: "ceased", copies: received.volumes.map((volume) => copyOf(received, volume)) };
}

function copyOf({ epoch }: Received, volume: ReceivedVolume): ReplicaCopy {
  const { path, format } = topOf(volume);
  const { counter } = readIdentity(volume.folder, volume.volume) ?? volume;
  return { volume: volume.volume, epoch: epoch as Epoch, counter, path, format };
}

type Ended = { readonly kind: "ended"; readonly received: Received; readonly held: ReadonlySet<string> };

/** No connection and no process is left that could write. `held`: files that the storage daemon had open to the last. */
export async function endWriting(
  runDir: string,
  receiving: Receiving,
): Promise<Ended | Extract<CeaseEnd, { kind: "refused" | "unknown" }>> {
  const { vm } = receiving;
  const received = readReceived(runDir, vm);
  if (received === undefined) return refuse("replica-not-received", { vm });
  receiving.closeDoors();
  await forgetPrepared(runDir, receiving);
  const orderly = receiving.daemon;
  receiving.daemon = undefined;
  await orderly?.removeExports(() => true);
  const held = openFiles(received.pid);
  const isGone = orderly === undefined ? true : await orderly.quit();
  const rest = received.pid === null || (await endDaemon(received.pid, daemonSocket(runDir, vm)));
  if (!isGone || !rest) return { kind: "unknown", cause: `the storage daemon of ${vm} does not end` };
  // It has told what it saw by then (S21). Whoever writes from here on, a guest of this host too, is not watched.
  await endWatch(runDir, vm);
  // Its jobs ended with the daemon; what it had done is recorded by then.
  await receiving.merge;
  return { kind: "ended", received: { ...(readReceived(runDir, vm) ?? received), pid: null }, held };
}

/** S21: the first that is not what it should be. */
export function troubleOf(received: Received, held: ReadonlySet<string>): Refusal | undefined {
  if (received.trouble !== undefined) return refuse(received.trouble.code, received.trouble.params);
  return received.volumes.map((volume) => copyTrouble(received, volume, held)).find((one) => one !== undefined);
}
