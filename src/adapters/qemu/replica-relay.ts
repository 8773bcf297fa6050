import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  parseLine,
  type RelayConfig,
  type RelayOrder,
  type RelaySays,
  type RelayState,
  relayConfigSchema,
  relaySaysSchema,
} from "../nbd/relay-control.ts";
import { memoryFile } from "../nbd/relay-memory.ts";

const limits = { startMs: 10_000, pollMs: 10, orderMs: 2_000, restartMs: 100 } as const;

export type OrderEnd =
  | { readonly kind: "done"; readonly state: RelayState }
  | { readonly kind: "no"; readonly why: string }
  /** It did not answer, or is gone. */
  | { readonly kind: "silent" };

export type RelayListener = {
  readonly state: (state: RelayState) => void;
  /** Another process serves QEMU from now on, in hold. */
  readonly anew: () => void;
};

export function relayFolder(runDir: string, name: string): string {
  return join(runDir, "relays", name);
}

/** Of a relay that has copied nothing yet. */
export function writeRelayConfig(folder: string, config: RelayConfig): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  rmSync(memoryFile(config.control), { force: true });
  const file = join(folder, "relay.json");
  writeFileSync(`${file}.new`, JSON.stringify(config), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Undefined: there is none, or it is of no use. */
export function readRelayConfig(folder: string): RelayConfig | undefined {
  try {
    return relayConfigSchema.parse(JSON.parse(readFileSync(join(folder, "relay.json"), "utf8")));
  } catch {
    return undefined;
  }
}

/** The relay process of one run, kept alive: QEMU waits while there is none, so a dead one costs nothing but time (S16). */
export class RelayKeeper {
  state: RelayState | undefined;
  readonly #command: readonly string[];
  readonly #folder: string;
  readonly config: RelayConfig;
  readonly #listener: RelayListener;
  readonly #answers = new Map<number, (end: OrderEnd) => void>();
  #socket: Socket | undefined;
  #opening: Promise<boolean> | undefined;
  #lastId = 0;
  #closed = false;

  constructor(command: readonly string[], folder: string, config: RelayConfig, listener: RelayListener) {
    this.#command = command;
    this.#folder = folder;
    this.config = config;
    this.#listener = listener;
  }

  /** False: it does not come up. One that runs already is taken up as it is; never two at a time are started. */
  open(): Promise<boolean> {
    this.#opening ??= this.#open()
      // Its log cannot be written, or the like: tried again, while QEMU waits.
      .catch(() => false)
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  async #open(): Promise<boolean> {
    if (await this.#connect()) return true;
    this.#spawn();
    for (
      const giveUpAt = performance.now() + limits.startMs;
      performance.now() < giveUpAt;
      await sleep(limits.pollMs)
    ) {
      if (this.#closed) return false;
      if (await this.#connect()) return true;
    }
    return false;
  }

  /** `limitMs` null: for as long as it lives. */
  order(order: RelayOrder, limitMs: number | null = limits.orderMs): Promise<OrderEnd> {
    const socket = this.#socket;
    if (socket === undefined) return Promise.resolve({ kind: "silent" });
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const finish = (end: OrderEnd): void => {
        clearTimeout(limit);
        this.#answers.delete(id);
        resolve(end);
      };
      const limit = limitMs === null ? undefined : setTimeout(() => finish({ kind: "silent" }), limitMs);
      this.#answers.set(id, finish);
      socket.write(`${JSON.stringify({ id, order })}\n`);
    });
  }

  /** One that hangs is replaced; the new one holds. */
  async replace(): Promise<boolean> {
    // Whoever took it up since may be using it.
    if (this.#closed) return false;
    if (this.state !== undefined) killProcess(this.state.pid);
    this.#socket?.destroy();
    return this.open();
  }

  async end(): Promise<void> {
    this.#closed = true;
    const end = await this.order({ kind: "end" });
    if (end.kind === "silent" && this.state !== undefined) killProcess(this.state.pid);
    this.#socket?.destroy();
  }

  /** Lets go of it; it goes on. */
  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  /** In a session of its own, outside every VM's cgroup: a frozen host goes on serving (S5). */
  #spawn(): void {
    const [program = "", ...args] = this.#command;
    const log = openSync(join(this.#folder, "relay.log"), "a", 0o600);
    const child = spawn(program, [...args, join(this.#folder, "relay.json")], {
      detached: true,
      stdio: ["ignore", log, log],
      cwd: "/",
      // Payloads come and go by the mebibyte: one heap that gives its room back.
      env: { ...process.env, MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "262144" },
    });
    child.on("error", () => undefined);
    child.unref();
    closeSync(log);
  }

  #connect(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = createConnection({ path: this.config.control });
      let text = "";
      const known = this.state?.relay;
      socket.on("error", () => undefined);
      socket.on("close", () => {
        resolve(false);
        this.#onClose(socket);
      });
      socket.setEncoding("utf8").on("data", (data: string) => {
        text += data;
        for (let cut = text.indexOf("\n"); cut >= 0; cut = text.indexOf("\n")) {
          const says = parseLine(relaySaysSchema, text.slice(0, cut));
          text = text.slice(cut + 1);
          if (says === undefined) continue;
          this.#socket = socket;
          this.#hear(says);
          if (known !== undefined && known !== says.state.relay && says.id === null) this.#listener.anew();
          resolve(true);
        }
      });
    });
  }

  #hear({ id, refused, state }: RelaySays): void {
    this.state = state;
    const answer = id === null ? undefined : this.#answers.get(id);
    answer?.(refused === null ? { kind: "done", state } : { kind: "no", why: refused });
    this.#listener.state(state);
  }

  #onClose(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    for (const answer of [...this.#answers.values()]) answer({ kind: "silent" });
    if (!this.#closed) void this.#comeBack();
  }

  async #comeBack(): Promise<void> {
    while (!this.#closed && this.#socket === undefined) {
      await sleep(limits.restartMs);
      if (!this.#closed && this.#socket === undefined) await this.open();
    }
  }
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}
