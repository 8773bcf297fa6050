import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { limits as coreLimits } from "../../core/limits.ts";
import {
  parseLine,
  type RelayConfig,
  type RelayOrder,
  type RelaySays,
  type RelayState,
  relayOrderSchema,
} from "./relay-control.ts";
import { LinkMeter } from "./relay-figures.ts";
import { greetQemu, RelayLane } from "./relay-lane.ts";
import { RelayMemory } from "./relay-memory.ts";

const limits = {
  lookMs: 50,
  silentMs: coreLimits.replicaSilentMs,
  /** Asked after as long without a request, so that a cut is known before a guest has to wait for it. */
  idleMs: 1_000,
  askMs: 3_000,
  /** A bar that its driver forgot holds the guest no longer than this; its point is then none. */
  barMs: 1_000,
  /** V8 lets 64 MiB of buffers pile up by itself; at 8 MiB the heap breaks up into more than it holds. */
  collectBytes: 2 * 1024 * 1024,
} as const;

/** What a request is answered without the replica; null: nothing, it waits. */
const answers = { hold: null, stale: "refused", gone: "acknowledged" } as const;

export type Relay = { readonly ended: Promise<void> };

/**
 * The process between QEMU and the replica of one VM's volumes. It starts in hold: a request is answered when the replica
 * has it, however long that takes. Only an order, given once the stale record is committed, makes it refuse (S16), and what
 * then lies there stays as it is until it is told to connect (S20). It never closes QEMU's connection by itself. `collect`:
 * called now and then, to give back the room of payloads that are gone.
 */
export function openRelay(config: RelayConfig, collect: () => void): Promise<Relay> {
  return new RelayProcess(config, collect).open();
}

class RelayProcess {
  #config: RelayConfig;
  readonly #id = randomUUID();
  readonly #lanes: readonly RelayLane[];
  readonly #memory: RelayMemory;
  readonly #drivers = new Set<Socket>();
  readonly #servers: Server[] = [];
  readonly #toDo: { readonly holds: () => boolean; readonly act: () => void }[] = [];
  #mode: RelayState["mode"] = "hold";
  #bar: { readonly at: number } | undefined;
  #barBroken = false;
  #refused = 0;
  #sentBytes = 0;
  #lost = 0;
  readonly #meter = new LinkMeter(performance.now());
  #connecting = true;
  #told = "";
  #end: () => void = () => undefined;

  constructor(config: RelayConfig, collect: () => void) {
    this.#config = config;
    if (config.letsGo) {
      this.#mode = "gone";
      this.#connecting = false;
    }
    const events = {
      changed: () => this.#changed(),
      answer: () => answers[this.#mode],
      isBarred: () => this.#bar !== undefined,
      lost: () => this.#onLost(),
      countRefused: () => {
        this.#refused += 1;
      },
      countSent: (bytes: number) => {
        const before = Math.floor(this.#sentBytes / limits.collectBytes);
        this.#sentBytes += bytes;
        if (Math.floor(this.#sentBytes / limits.collectBytes) !== before) setImmediate(collect);
      },
      countTaken: (bytes: number) => this.#meter.taken(bytes),
      answered: (ms: number) => this.#meter.answered(ms),
    };
    const memory = new RelayMemory(config.control);
    this.#memory = memory;
    // The one before it was told that the guest goes on alone: nothing is sent there until the next resync, or ever.
    const left = config.letsGo ? undefined : memory.left;
    if (left !== undefined) this.#connecting = false;
    if (left === "gone") this.#mode = "gone";
    this.#lanes = config.volumes.map(({ volume }) => new RelayLane(volume, () => this.#config, memory, events));
  }

  async open(): Promise<Relay> {
    // Two of them would not know what the other refused.
    if (await isServed(this.#config.control)) throw new Error(`There is a relay at ${this.#config.control}`);
    // Whoever reaches it by the control socket may send QEMU to the other one at once.
    await this.#listen(this.#config.nbd, (socket) => this.#serveQemu(socket));
    await this.#listen(this.#config.control, (socket) => this.#serveDriver(socket));
    const look = setInterval(() => this.#look(), limits.lookMs);
    this.#changed();
    const ended = new Promise<void>((resolve) => {
      this.#end = () => {
        clearInterval(look);
        for (const lane of this.#lanes) lane.end();
        for (const server of this.#servers) server.close();
        for (const driver of this.#drivers) driver.end();
        resolve();
      };
    });
    return { ended };
  }

  #listen(path: string, serve: (socket: Socket) => void): Promise<void> {
    rmSync(path, { force: true });
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      serve(socket);
    });
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ path }, () => resolve());
    });
  }

  #serveQemu(socket: Socket): void {
    const sizeOf = (name: string): bigint | undefined => {
      const found = this.#config.volumes.find(({ volume }) => volume === name);
      return found === undefined ? undefined : BigInt(found.sizeBytes);
    };
    greetQemu(socket, { sizeOf, flagsRead: false }, (volume, rest) =>
      this.#lanes.find((lane) => lane.volume === volume)?.serve(socket, rest),
    );
  }

  #serveDriver(socket: Socket): void {
    this.#drivers.add(socket);
    socket.on("close", () => this.#drivers.delete(socket));
    let text = "";
    socket.setEncoding("utf8").on("data", (data: string) => {
      text += data;
      for (let cut = text.indexOf("\n"); cut >= 0; cut = text.indexOf("\n")) {
        const order = parseLine(relayOrderSchema, text.slice(0, cut));
        text = text.slice(cut + 1);
        if (order === undefined) {
          socket.destroy();
          return;
        }
        this.#obey(order.order, (refused) => this.#say(socket, order.id, refused));
      }
    });
    this.#say(socket, null, null);
  }

  #obey(order: RelayOrder, done: (refused: string | null) => void): void {
    switch (order.kind) {
      case "tell":
        done(null);
        break;
      case "stale":
        this.#answerFromNowOn("stale");
        done(null);
        break;
      case "let-go":
        this.#answerFromNowOn("gone");
        done(null);
        break;
      case "connect":
        this.#connect(order.doors, done);
        break;
      case "bar":
        this.#setBar(done);
        break;
      case "unbar": {
        const held = this.#bar !== undefined && !this.#barBroken;
        this.#liftBar();
        done(held ? null : "the bar did not last");
        break;
      }
      case "end":
        done(null);
        setImmediate(() => this.#end());
        break;
    }
  }

  /** S25: the guest does not wait for a peer that is lost; what it misses is not noted here, but its cycle is broken. */
  #onLost(): void {
    if (!this.#config.letsGo || this.#mode !== "hold") return;
    this.#lost += 1;
    this.#answerFromNowOn("gone");
  }

  #answerFromNowOn(mode: "stale" | "gone"): void {
    if (this.#mode !== "gone") this.#mode = mode;
    // Where it cannot be noted, the guest that waits comes first: only a relay that dies as well would need it.
    if (!this.#config.letsGo) this.#memory.noteLeft(this.#mode === "gone" ? "gone" : "stale");
    this.#connecting = false;
    this.#bar = undefined;
    for (const lane of this.#lanes) lane.answerAll();
  }

  /** Goes on refusing until every volume is connected: nothing waits for a peer that is not there. */
  #connect(doors: RelayConfig["doors"] | null, done: (refused: string | null) => void): void {
    if (this.#mode === "gone" && !this.#config.letsGo) {
      done("it was let go");
      return;
    }
    if (doors !== null) this.#config = { ...this.#config, doors };
    this.#connecting = true;
    this.#once(
      () => !this.#connecting || this.#isConnected() || this.#isBehind(),
      () => {
        if (!this.#connecting) done("overtaken by another order");
        else if (this.#isBehind()) {
          this.#connecting = this.#mode === "hold";
          done("what lies there is not what was copied to");
        } else if (!this.#memory.noteLeft(null)) {
          this.#connecting = false;
          done("it cannot be noted that the copies are written to again");
        } else {
          this.#mode = "hold";
          done(null);
        }
      },
    );
  }

  #setBar(done: (refused: string | null) => void): void {
    if (this.#mode !== "hold" || !this.#isConnected() || this.#bar !== undefined) {
      done(this.#bar === undefined ? "the replica is not connected" : "there is a bar already");
      return;
    }
    this.#bar = { at: performance.now() };
    this.#barBroken = false;
    this.#once(
      () => this.#bar === undefined || this.#lanes.every((lane) => lane.isDrained),
      () => done(this.#bar === undefined ? "not drained in time" : null),
    );
  }

  #liftBar(): void {
    this.#bar = undefined;
    for (const lane of this.#lanes) lane.sendWaiting();
  }

  #once(holds: () => boolean, act: () => void): void {
    this.#toDo.push({ holds, act });
    this.#look();
  }

  /** Everything that depends on time passing, or on how the lanes stand. */
  #look(): void {
    const now = performance.now();
    if (this.#bar !== undefined && now - this.#bar.at > limits.barMs) {
      this.#barBroken = true;
      this.#liftBar();
    }
    for (const lane of this.#lanes) {
      if (this.#connecting && !lane.isConnected) void lane.connect();
      if (lane.isConnected && lane.silentMs(now) > limits.silentMs * lane.patience)
        lane.reconnect("the replica is silent");
      // A busy one is asked as well, when nothing waits: the answer tells how far away it is.
      if (now - Math.max(lane.heardAt, lane.askedAt) > limits.idleMs || now - lane.askedAt > limits.askMs) lane.ask();
    }
    this.#meter.look(
      now,
      this.#lanes.reduce((sum, { waitingBytes }) => sum + waitingBytes, 0),
    );
    for (const waiting of this.#toDo.splice(0))
      if (waiting.holds()) waiting.act();
      else this.#toDo.push(waiting);
    this.#tellIfNew();
  }

  #changed(): void {
    setImmediate(() => this.#look());
  }

  #isConnected(): boolean {
    return this.#lanes.every((lane) => lane.isConnected);
  }

  #isBehind(): boolean {
    return this.#lanes.some((lane) => lane.isBehind);
  }

  #state(): RelayState {
    const now = performance.now();
    const troubles = this.#lanes.flatMap(({ volume, trouble }) => (trouble === null ? [] : [`${volume}: ${trouble}`]));
    return {
      relay: this.#id,
      pid: process.pid,
      mode: this.#mode,
      refused: this.#refused,
      lost: this.#lost,
      sentBytes: this.#sentBytes,
      connected: this.#isConnected(),
      served: this.#lanes.flatMap(({ volume, isServed }) => (isServed ? [volume] : [])),
      waits: this.#mode === "hold" && this.#lanes.some((lane) => lane.unansweredMs(now) >= this.#config.waitMs),
      behind: this.#isBehind(),
      trouble: troubles.length === 0 ? null : troubles.join("; "),
      link: this.#lanes.find(({ link }) => link !== null)?.link ?? null,
      figures: this.#meter.figures,
    };
  }

  #tellIfNew(): void {
    const { sentBytes: _, refused: __, ...rest } = this.#state();
    const now = JSON.stringify(rest);
    if (now === this.#told) return;
    this.#told = now;
    for (const driver of this.#drivers) this.#say(driver, null, null);
  }

  #say(driver: Socket, id: number | null, refused: string | null): void {
    const says: RelaySays = { id, refused, state: this.#state() };
    driver.write(`${JSON.stringify(says)}\n`);
  }
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const finish = (served: boolean): void => {
      socket.destroy();
      resolve(served);
    };
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
  });
}
