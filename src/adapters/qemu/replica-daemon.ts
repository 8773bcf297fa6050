import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { VmId } from "../../model/ids.ts";
import { isProcessOf } from "../linux/process.ts";
import { connectQmp, type Qmp, type QmpEnd } from "./qmp.ts";
import { type Layer, noteDaemon } from "./replica-files.ts";

const limits = {
  startMs: 10_000,
  answerMs: 2_000,
  pollMs: 10,
  quitMs: 3_000,
  killMs: 5_000,
  /** Requests that an earlier connection left: until they have landed nobody else may write. */
  deletedMs: 500,
  ports: { first: 49_216, last: 49_279 },
} as const;

/** What is ready for a point: an overlay for each volume, and the node of the layer that it is to be laid on. */
export type Prepared = { readonly id: string; readonly onto: readonly string[]; readonly layers: readonly Layer[] };

/** One VM whose volumes are received. Its steps come one after the other. */
export type Receiving = {
  readonly vm: VmId;
  daemon: ReplicaDaemon | undefined;
  prepared: Prepared | undefined;
  /** Layers of points that are dropped are being merged, one at a time. */
  merge: Promise<void> | undefined;
  /** Those who read points at present: nothing is merged meanwhile. */
  readers: number;
  closeDoors: () => void;
  queue: Promise<unknown>;
};

/** One storage daemon: it has the copies of one VM open, and lets in who is to write them. */
export class ReplicaDaemon {
  readonly pid: number;
  readonly #qmp: Qmp;
  readonly #socket: string;
  #listening: string | undefined;
  #port = 0;
  #onDeleted: () => void = () => undefined;
  isOver = false;

  private constructor(pid: number, socket: string, qmp: Qmp) {
    this.pid = pid;
    this.#socket = socket;
    this.#qmp = qmp;
  }

  /** Undefined: none answers there. One that does not answer is no use to anybody: see `endDaemon`. */
  static async take(socket: string, pid: number): Promise<ReplicaDaemon | undefined> {
    if (!existsSync(socket)) return undefined;
    let daemon: ReplicaDaemon | undefined;
    const listener = {
      event: ({ event }: { readonly event: string }) => {
        if (event === "BLOCK_EXPORT_DELETED" && daemon !== undefined) daemon.#onDeleted();
      },
      end: () => {
        if (daemon !== undefined) daemon.isOver = true;
      },
    };
    const qmp = await connectQmp(socket, listener, limits.answerMs);
    if (qmp === undefined) return undefined;
    daemon = new ReplicaDaemon(pid, socket, qmp);
    return daemon;
  }

  /** `args`: nodes and secrets that it begins with. Undefined: it does not start; the log says why. */
  static async start(socket: string, args: readonly string[]): Promise<ReplicaDaemon | undefined> {
    mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
    rmSync(socket, { force: true });
    const log = openSync(join(dirname(socket), "daemon.log"), "a", 0o600);
    const chardev = `socket,path=${socket.replaceAll(",", ",,")},server=on,wait=off,id=qmp`;
    const child = spawn("qemu-storage-daemon", ["--chardev", chardev, "--monitor", "chardev=qmp", ...args], {
      detached: true,
      stdio: ["ignore", log, log],
      cwd: "/",
    });
    if (child.pid !== undefined) noteDaemon(socket, child.pid);
    closeSync(log);
    child.unref();
    let over = false;
    child.on("error", () => {
      over = true;
    });
    child.on("exit", () => {
      over = true;
    });
    for (
      const giveUpAt = performance.now() + limits.startMs;
      performance.now() < giveUpAt;
      await sleep(limits.pollMs)
    ) {
      if (over || child.pid === undefined) return undefined;
      const daemon = await ReplicaDaemon.take(socket, child.pid);
      if (daemon !== undefined) return daemon;
    }
    return undefined;
  }

  execute(command: string, args?: object): Promise<QmpEnd> {
    return this.#qmp.execute(command, args, { limitMs: limits.answerMs });
  }

  async exports(): Promise<readonly string[] | undefined> {
    const end = await this.execute("query-block-exports");
    if (end.kind !== "done" || !Array.isArray(end.value)) return undefined;
    return end.value.map((one: { id?: unknown }) => String(one.id));
  }

  /**
   * The hard way, and until nothing of their connections is left: what was on its way has landed, or never will (S19).
   * False: some of it is still at work.
   */
  async removeExports(isOld: (id: string) => boolean): Promise<boolean> {
    for (const giveUpAt = performance.now() + limits.deletedMs; ; ) {
      const old = (await this.exports())?.filter(isOld);
      if (old?.length === 0) return true;
      if (old === undefined || performance.now() > giveUpAt) return false;
      const deleted = new Promise<void>((resolve) => {
        this.#onDeleted = resolve;
      });
      for (const id of old) await this.execute("block-export-del", { id, mode: "hard" });
      await Promise.race([deleted, sleep(limits.pollMs)]);
    }
  }

  /** The port at this address, where NBD is served from now on, and at no other. Undefined: it cannot be served there. */
  async listenAt(address: string, tls: string | null): Promise<number | undefined> {
    if (this.#listening === address) return this.#port;
    await this.execute("nbd-server-stop");
    this.#listening = undefined;
    for (let port: number = limits.ports.first; port <= limits.ports.last; port++) {
      const end = await this.execute("nbd-server-start", {
        addr: { type: "inet", data: { host: address, port: String(port) } },
        ...(tls === null ? {} : { "tls-creds": tls }),
      });
      if (end.kind === "done") {
        this.#listening = address;
        this.#port = port;
        return port;
      }
      if (end.kind !== "failed" || !/in use/u.test(end.description)) return undefined;
    }
    return undefined;
  }

  /** Flushes, closes its images and ends. False: something of it is left. */
  async quit(): Promise<boolean> {
    await this.execute("quit");
    this.#qmp.close();
    return endDaemon(this.pid, this.#socket, limits.quitMs);
  }

  /** Lets go of it; it goes on. */
  close(): void {
    this.#qmp.close();
  }
}

/** Waits for its end, then kills: one that hangs may not write on one day (S19). False: it is still there. */
export async function endDaemon(pid: number, socket: string, graceMs = 0): Promise<boolean> {
  const isThere = (): boolean => isProcessOf(pid, socket);
  if (await untilGone(isThere, graceMs)) return true;
  kill(pid);
  return untilGone(isThere, limits.killMs);
}

async function untilGone(isThere: () => boolean, limitMs: number): Promise<boolean> {
  for (const giveUpAt = performance.now() + limitMs; isThere(); await sleep(limits.pollMs))
    if (performance.now() >= giveUpAt) return false;
  return true;
}

/** It may have come to its end by itself since somebody looked. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Then that is what was wanted.
  }
}
