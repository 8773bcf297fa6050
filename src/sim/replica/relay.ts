import type { HostId, VmId, VolumeId } from "../../model/ids.ts";
import type { Door } from "../../ports/migration.ts";
import type { Answered, ReplicaWorld, SimExport, SimRelayPort } from "./machine.ts";

const linkMs = 1;
const retryMs = 50;
const lookMs = 50;
const silentMs = 1_200;
const idleMs = 1_000;
const barMs = 1_000;

export type SimRelayConfig = {
  readonly host: HostId;
  readonly to: HostId;
  readonly vm: VmId;
  readonly epoch: number;
  readonly doors: readonly Door[];
  readonly volumes: readonly VolumeId[];
  readonly waitMs: number;
  /** Only what the run before left is of use at first (S15). */
  readonly isEqual: boolean;
  /** What the relays of this run copied to: it outlives each of them. */
  readonly known: Map<VolumeId, SimExport["known"]>;
  /** The guest goes on without its copies: what they hold stays as it is; it outlives each of them, too (S20). */
  readonly left: { as: "stale" | "gone" | undefined };
};

type Waiting = {
  readonly block: number;
  readonly value: number;
  readonly since: number;
  readonly done: (answer: Answered) => void;
  sent: boolean;
};
type Lane = {
  readonly volume: VolumeId;
  up: SimExport | undefined;
  readonly waiting: Set<Waiting>;
  heardAt: number;
  answeredAt: number;
};

let lastNumber = 0;
function nextNumber(): number {
  lastNumber += 1;
  return lastNumber;
}

/** A relay process, as src/adapters/nbd/relay.ts is one. */
export class SimRelay implements SimRelayPort {
  isAlive = true;
  /** Another one after each start. */
  readonly number = nextNumber();
  mode: "hold" | "stale" | "gone" = "hold";
  refused = 0;
  sentBlocks = 0;
  /** Whoever listens at the moment: an agent that is away hears nothing. */
  onChange: () => void = () => undefined;
  config: SimRelayConfig;
  readonly #world: ReplicaWorld;
  readonly #lanes: readonly Lane[];
  readonly #toDo: { readonly holds: () => boolean; readonly act: () => void }[] = [];
  #bar: number | undefined;
  #barBroken = false;
  #connecting: boolean;
  /** S21: what lies there is not what was copied to. */
  #isBehind = false;
  /** Stacked, as a process that is stopped twice: above zero it answers nobody. */
  #hangs = 0;
  /** What was said to it meanwhile: it lies in its sockets until it goes on, or goes with it. */
  readonly #unread: (() => void)[] = [];

  constructor(world: ReplicaWorld, config: SimRelayConfig) {
    this.config = config;
    this.#world = world;
    this.#connecting = config.left.as === undefined;
    if (config.left.as === "gone") this.mode = "gone";
    this.#lanes = config.volumes.map((volume) => ({
      volume,
      up: undefined,
      waiting: new Set(),
      heardAt: world.now(),
      answeredAt: world.now(),
    }));
    this.#look();
  }

  get isConnected(): boolean {
    return this.#lanes.every(({ up }) => up !== undefined);
  }

  get waits(): boolean {
    return (
      this.mode === "hold" && this.#lanes.some((lane) => this.#waited(lane, lane.answeredAt) >= this.config.waitMs)
    );
  }

  get isHanging(): boolean {
    return this.#hangs > 0;
  }

  hang(): void {
    this.#hangs += 1;
  }

  goOn(): void {
    this.#hangs -= 1;
    if (this.isHanging) return;
    for (const act of this.#unread.splice(0)) if (this.isAlive) act();
  }

  /** Whatever reaches it from outside: at once, unless it hangs. */
  hears(act: () => void): void {
    if (this.isHanging) this.#unread.push(act);
    else act();
  }

  write(volume: VolumeId, block: number, value: number, done: (answer: Answered) => void): void {
    this.hears(() => this.#write(volume, block, value, done));
  }

  #write(volume: VolumeId, block: number, value: number, done: (answer: Answered) => void): void {
    const lane = this.#lanes.find((one) => one.volume === volume);
    if (lane === undefined || !this.isAlive) return;
    const waiting: Waiting = { block, value, since: this.#world.now(), done, sent: false };
    if (this.mode !== "hold") this.#answer(waiting);
    else {
      lane.waiting.add(waiting);
      this.#send(lane);
    }
  }

  answerFromNowOn(mode: "stale" | "gone"): void {
    this.#world.leftBehind?.(this.config.vm, this.config.epoch);
    if (this.mode !== "gone") this.mode = mode;
    this.config.left.as = this.mode === "gone" ? "gone" : "stale";
    this.#connecting = false;
    this.#bar = undefined;
    for (const lane of this.#lanes) {
      lane.up = undefined;
      for (const waiting of lane.waiting) this.#answer(waiting);
      lane.waiting.clear();
    }
    this.#settle();
  }

  connect(doors: readonly Door[], done: (how: "connected" | "overtaken" | "other") => void): void {
    this.config = { ...this.config, doors };
    this.#connecting = this.mode !== "gone";
    this.#toDo.push({
      holds: () => !this.#connecting || this.isConnected || this.#isBehind,
      act: () => {
        const how = this.#isBehind ? "other" : "connected";
        if (this.#connecting && how === "connected") {
          this.config.left.as = undefined;
          this.mode = "hold";
        }
        done(this.#connecting ? how : "overtaken");
      },
    });
    this.#settle();
  }

  bar(done: (isDrained: boolean) => void): void {
    if (this.mode !== "hold" || !this.isConnected || this.#bar !== undefined) {
      done(false);
      return;
    }
    this.#bar = this.#world.now();
    this.#barBroken = false;
    const isDrained = (): boolean => this.#lanes.every(({ waiting }) => [...waiting].every(({ sent }) => !sent));
    this.#toDo.push({ holds: () => this.#bar === undefined || isDrained(), act: () => done(this.#bar !== undefined) });
    this.#settle();
  }

  /** Whether it held all the while. */
  unbar(): boolean {
    const held = this.#bar !== undefined && !this.#barBroken;
    this.#bar = undefined;
    for (const lane of this.#lanes) this.#send(lane);
    return held;
  }

  /** Its connections are reset. */
  hangUp(): void {
    this.hears(() => {
      for (const lane of this.#lanes) this.#hangUp(lane);
    });
  }

  #hangUp(lane: Lane): void {
    lane.up = undefined;
    this.#settle();
  }

  #answer({ done }: Waiting): void {
    if (this.mode === "stale") this.refused += 1;
    const answer = this.mode === "stale" ? "refused" : "done";
    this.#world.after(1, () => {
      if (this.isAlive) done(answer);
    });
  }

  #send(lane: Lane): void {
    const { up } = lane;
    if (up === undefined || this.#bar !== undefined) return;
    for (const waiting of lane.waiting) {
      if (waiting.sent) continue;
      waiting.sent = true;
      this.sentBlocks += 1;
      this.#through(lane, up, () =>
        up.write(waiting.block, waiting.value, (isWritten) =>
          this.#through(lane, up, () => {
            // S16: an error of the replica's is no answer but a doubt.
            if (!isWritten) return this.#hangUp(lane);
            lane.heardAt = this.#world.now();
            lane.answeredAt = lane.heardAt;
            if (lane.waiting.delete(waiting)) waiting.done("done");
            this.#settle();
          }),
        ),
      );
    }
  }

  /** A message of a connection. Where one does not get through none after it does: the connection is over. */
  #through(lane: Lane, up: SimExport, act: () => void): void {
    this.#world.after(linkMs, () => {
      if (!this.isAlive || lane.up !== up) return;
      if (this.isHanging) this.#unread.push(() => this.#through(lane, up, act));
      else if (this.#world.connects(this.config.host, up.host)) act();
      else if (lane.waiting.size > 0) lane.up = undefined;
    });
  }

  #look(): void {
    if (!this.isAlive) return;
    if (!this.isHanging) this.#lookAtLanes();
    this.#world.after(lookMs, () => this.#look());
  }

  #lookAtLanes(): void {
    const now = this.#world.now();
    if (this.#bar !== undefined && now - this.#bar > barMs) {
      this.#barBroken = true;
      this.unbar();
    }
    for (const lane of this.#lanes) {
      const isGone =
        lane.up?.isRemoved === true || (lane.up !== undefined && this.#waited(lane, lane.heardAt) > silentMs);
      if (isGone) lane.up = undefined;
      if (lane.up === undefined && this.#connecting && !this.#isBehind) this.#open(lane);
      if (lane.up !== undefined && lane.waiting.size === 0 && now - lane.heardAt > idleMs) this.#ask(lane, lane.up);
    }
    this.#settle();
  }

  #open(lane: Lane): void {
    for (const door of this.config.doors) {
      const found = this.#world.find(door);
      if (found === undefined || !this.#world.connects(this.config.host, found.host)) continue;
      const { host, vm, epoch, known, isEqual } = this.config;
      const open = found.doorkeeper(
        ...([host, vm, epoch, lane.volume] as const),
        known.get(lane.volume) ?? (isEqual ? "as-left" : undefined),
      );
      if (open === undefined) continue;
      this.#isBehind = open === "other";
      lane.up = open === "other" ? undefined : open;
      break;
    }
    if (lane.up === undefined) return;
    this.config.known.set(lane.volume, lane.up.known);
    lane.heardAt = this.#world.now();
    for (const waiting of lane.waiting) waiting.sent = false;
    this.#world.after(retryMs, () => this.#send(lane));
  }

  /** Whether the peer is there, where nothing else would tell. */
  #ask(lane: Lane, up: SimExport): void {
    this.#through(lane, up, () =>
      this.#through(lane, up, () => {
        lane.heardAt = this.#world.now();
      }),
    );
  }

  #waited(lane: Lane, lastSign: number): number {
    const [oldest] = lane.waiting;
    return oldest === undefined ? 0 : this.#world.now() - Math.max(oldest.since, lastSign);
  }

  #settle(): void {
    for (const waiting of this.#toDo.splice(0))
      if (waiting.holds()) waiting.act();
      else this.#toDo.push(waiting);
    this.onChange();
  }
}
