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
import { leftFile, memoryFile } from "../nbd/relay-memory.ts";
import { configFile, endRelays, noteRelay } from "./replica-relay-process.ts";

const limits = {
  startMs: 10_000,
  pollMs: 10,
  connectMs: 2_000,
  orderMs: 2_000,
  restartMs: 100,
  /** One that hangs tells nobody that a write waits: it is asked as often, and hangs once it was silent so many times in a row. */
  askMs: 1_000,
  silences: 3,
} as const;

/** What is at its control socket. `silent`: it takes the connection and says nothing. */
type Found = "speaks" | "silent" | "nobody";

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
  for (const file of [memoryFile(config.control), leftFile(config.control)]) rmSync(file, { force: true });
  const file = configFile(folder);
  writeFileSync(`${file}.new`, JSON.stringify(config), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Undefined: there is none, or it is of no use. */
export function readRelayConfig(folder: string): RelayConfig | undefined {
  try {
    return relayConfigSchema.parse(JSON.parse(readFileSync(configFile(folder), "utf8")));
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

  /**
   * False: it does not come up. One that runs already is taken up as it is, and one that hangs is ended first, whoever started
   * it; never two at a time are started.
   */
  open(): Promise<boolean> {
    return this.#oneAtATime(async () => {
      const found = await this.#find();
      return found === "speaks" || ((found === "nobody" || (await this.#endThere())) && this.#begin());
    });
  }

  /** QEMU has its connection for this volume: nothing of it waits for the relay to be there. */
  serves(volume: string): boolean {
    return this.#socket !== undefined && this.state?.served.includes(volume) === true;
  }

  /** Of one that an earlier agent left: tried until it is there, for its guest may wait for it. */
  takeUp(): void {
    void this.open().then((isThere) => {
      if (!isThere) void this.#comeBack();
    });
  }

  #oneAtATime(open: () => Promise<boolean>): Promise<boolean> {
    this.#opening ??= open()
      // Its log cannot be written, or the like: tried again, while QEMU waits.
      .catch(() => false)
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  async #begin(): Promise<boolean> {
    if (this.#closed) return false;
    this.#spawn();
    for (
      const giveUpAt = performance.now() + limits.startMs;
      performance.now() < giveUpAt;
      await sleep(limits.pollMs)
    ) {
      if (this.#closed) return false;
      if ((await this.#connect()) === "speaks") return true;
    }
    return false;
  }

  /** False: something of it is left. Once this lets go of it whoever took it up may be using it. */
  #endThere(): Promise<boolean> {
    return this.#closed ? Promise.resolve(false) : endRelays(this.#folder, this.state?.pid);
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

  /** One that hangs is replaced; the new one holds. What is being opened is waited for: it replaces one that hangs by itself. */
  replace(): Promise<boolean> {
    return this.#oneAtATime(async () => {
      if (!(await this.#endThere())) return false;
      this.#socket?.destroy();
      return this.#begin();
    });
  }

  async end(): Promise<void> {
    this.#closed = true;
    const end = await this.order({ kind: "end" });
    if (end.kind === "silent") await endRelays(this.#folder, this.state?.pid);
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
    const child = spawn(program, [...args, configFile(this.#folder)], {
      detached: true,
      stdio: ["ignore", log, log],
      cwd: "/",
      // Payloads come and go by the mebibyte: one heap that gives its room back.
      env: { ...process.env, MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "262144" },
    });
    child.on("error", () => undefined);
    child.unref();
    closeSync(log);
    if (child.pid !== undefined) noteRelay(this.#folder, child.pid);
  }

  /** No other connection beside one that it answers on. */
  async #find(): Promise<Found> {
    if (this.#socket === undefined) return this.#connect();
    return (await this.order({ kind: "tell" }, limits.connectMs)).kind === "silent" ? "silent" : "speaks";
  }

  #connect(): Promise<Found> {
    return new Promise((resolve) => {
      const socket = createConnection({ path: this.config.control });
      let text = "";
      let found: Found = "nobody";
      // The kernel takes the connection of a process that stands still as well.
      const limit = setTimeout(() => socket.destroy(), limits.connectMs);
      socket.on("connect", () => {
        found = "silent";
      });
      socket.on("error", () => undefined);
      socket.on("close", () => {
        clearTimeout(limit);
        resolve(found);
        this.#onClose(socket);
      });
      socket.setEncoding("utf8").on("data", (data: string) => {
        text += data;
        for (let cut = text.indexOf("\n"); cut >= 0; cut = text.indexOf("\n")) {
          const says = parseLine(relaySaysSchema, text.slice(0, cut));
          text = text.slice(cut + 1);
          if (says === undefined) continue;
          clearTimeout(limit);
          if (this.#socket !== socket) void this.#ask(socket);
          this.#socket = socket;
          const known = this.state?.relay;
          this.#hear(says);
          if (known !== undefined && known !== says.state.relay) this.#listener.anew();
          resolve("speaks");
        }
      });
    });
  }

  /** As long as this is the connection to it. */
  async #ask(socket: Socket): Promise<void> {
    for (let silences = 0; ; ) {
      await sleep(limits.askMs, undefined, { ref: false });
      if (this.#closed || this.#socket !== socket) return;
      silences = (await this.order({ kind: "tell" })).kind === "silent" ? silences + 1 : 0;
      if (silences < limits.silences) continue;
      silences = 0;
      // Where something of it is left, as of one that waits for a disk, it is tried again.
      await this.replace();
    }
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
