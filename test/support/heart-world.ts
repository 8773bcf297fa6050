import { seededRandom } from "../../src/base/random.ts";
import { type HostId, type Incarnation, type InstantMs, later, type Revision } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { type FenceRecord, heartbeatSchema, hostSchema } from "../../src/model/records.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { type GuardName, guardNames } from "../../src/ports/guard.ts";
import type { HeartSays } from "../../src/ports/heart.ts";
import type { OwnIncarnation } from "../../src/ports/heart-host.ts";
import { type RunningHeart, runHeart } from "../../src/runtime/heart.ts";
import { createSimGuards, type SimGuard } from "../../src/sim/guard.ts";
import { createTree, mayExecute, type SimTree } from "../../src/sim/guard-tree.ts";
import { type FaultyStore, faultyStore } from "./faulty-store.ts";
import { type VirtualClock, virtualClock } from "./virtual-clock.ts";

const host = "h1" as HostId;
const deadlineMs = 5_000;
const marginMs = 600;

/** The real heart, simulated guards, a bad network to the store, and a manager that fences by the rules. */
export class HeartWorld {
  readonly clock: VirtualClock = virtualClock();
  readonly store: FaultyStore;
  readonly random;
  readonly counts = { fences: 0, rejoins: 0, restarts: 0, boots: 0, thaws: 0, impaired: 0 };
  tree: SimTree = createTree();
  guards: Readonly<Record<GuardName, SimGuard>>;
  heart: RunningHeart;
  says: HeartSays | null = null;
  /** False: the manager is cut off too and fences nobody (S8). */
  fences = true;
  #file: OwnIncarnation | null = null;
  #blocked = false;
  #held: (() => void)[] = [];
  #connections: { close(): void }[] = [];
  #life = 0;
  #seen: { incarnation: Incarnation; revision: Revision | null; at: InstantMs } | null = null;
  /** When each incarnation's VMs must stand still at the latest, by its fence. */
  readonly #over = new Map<Incarnation, InstantMs>();

  constructor(seed: string) {
    this.random = seededRandom(seed);
    this.store = faultyStore(this.clock, this.random.for("network"));
    this.guards = this.#makeGuards();
    this.heart = this.#startHeart();
  }

  #makeGuards(): Readonly<Record<GuardName, SimGuard>> {
    const freezeMs = (): number => this.random.for("freeze").below(400);
    // Here no freeze sticks.
    const killAll = (): void => undefined;
    const guards = createSimGuards({ clock: this.clock, tree: this.tree, deadlineMs, marginMs, freezeMs, killAll });
    for (const name of guardNames) guards[name].start();
    return guards;
  }

  /** What reaches the heart goes through here: a blocked one takes it when it goes on, a dead one never. */
  #gate(act: () => void): () => void {
    const life = this.#life;
    return () => {
      if (life !== this.#life) return;
      if (this.#blocked) this.#held.push(act);
      else act();
    };
  }

  #startHeart(): RunningHeart {
    this.#life++;
    this.#held = [];
    this.#blocked = false;
    const clock: Clock = { ...this.clock, wakeAt: (at, wake) => this.clock.wakeAt(at, this.#gate(wake)) };
    const { store } = this;
    return runHeart(
      { host, machine: "m1", heartbeatMs: 500, deadlineMs, marginMs },
      {
        clock,
        store: {
          snapshot: (prefix, done) => store.snapshot(prefix, (end) => this.#gate(() => done(end))()),
          commit: (what, ms, done) => store.commit(what, ms, (end) => this.#gate(() => done(end))()),
          watch: store.watch,
        },
        random: this.random.for(`heart-${this.#life}`),
        file: {
          read: () => this.#file,
          write: (own, done) => {
            this.#file = own;
            done(true);
          },
        },
        agents: { tell: (says) => this.#hear(says), listen: () => {} },
        guards: (listener) => {
          const connect = (name: GuardName) => {
            const line = this.guards[name].connect((_name, says) =>
              this.#gate(() => {
                if (says.kind === "thawed") this.counts.thaws++;
                listener(name, says);
              })(),
            );
            this.#connections.push(line);
            return line;
          };
          const lines: Record<GuardName, ReturnType<typeof connect>> = { a: connect("a"), b: connect("b") };
          this.#reconnect = (name) => {
            lines[name] = connect(name);
          };
          const via = (name: GuardName) => ({
            name,
            incarnation: (n: Incarnation) => lines[name].incarnation(n),
            stamp: (s: number) => lines[name].stamp(s),
            committed: (s: number) => lines[name].committed(s),
            freeze: () => lines[name].freeze(),
          });
          return { a: via("a"), b: via("b") };
        },
      },
    );
  }
  #reconnect = (_name: GuardName): void => {};

  /** The agent: one VM per incarnation, started once the heart beats as it. */
  #hear(says: HeartSays): void {
    if (says.phase === "beating" && this.says?.incarnation !== says.incarnation) this.counts.rejoins++;
    this.says = says;
    if (says.phase !== "beating" || says.incarnation === null) return;
    this.tree.folders.get(says.incarnation)?.runs.add(`vm-${says.incarnation}`);
  }

  restartHeart(): void {
    this.heart.stop();
    for (const line of this.#connections.splice(0)) line.close();
    this.counts.restarts++;
    this.heart = this.#startHeart();
  }

  blockHeart(): void {
    this.#blocked = true;
  }

  unblockHeart(): void {
    this.#blocked = false;
    for (const act of this.#held.splice(0)) act();
  }

  killGuard(name: GuardName): void {
    this.guards[name].kill();
    this.counts.impaired++;
  }

  startGuard(name: GuardName): void {
    this.guards[name].start();
    this.#reconnect(name);
  }

  /** Power off and on: nothing of the run folder and of the VMs is left. */
  boot(): void {
    this.heart.stop();
    for (const line of this.#connections.splice(0)) line.close();
    for (const name of guardNames) this.guards[name].kill();
    this.tree = createTree();
    this.#file = null;
    this.counts.boots++;
    this.guards = this.#makeGuards();
    this.heart = this.#startHeart();
  }

  /** Lets time go by in small steps; the manager acts and the checkers look at each. */
  run(ms: number): void {
    for (let passed = 0; passed < ms; passed += 20) {
      this.clock.advance(20);
      this.#manage();
      this.#check();
    }
  }

  executes(incarnation: Incarnation): boolean {
    return mayExecute(this.tree, `vm-${incarnation}`);
  }

  #check(): void {
    for (const [incarnation, at] of this.#over) {
      if (this.clock.now() < at || !this.executes(incarnation)) continue;
      throw new Error(`VM of fenced incarnation ${incarnation} executes at ${this.clock.now()}`);
    }
  }

  /** S9: a fence by silence is its own proof at commit; the checker holds it to that very moment. */
  #manage(): void {
    const registered = this.store.read(keys.host(host));
    if (registered === undefined) return;
    const { incarnation } = hostSchema.parse(JSON.parse(registered.text));
    const heartbeat = this.store.read(keys.heartbeat(host, incarnation));
    const revision = heartbeat?.revision ?? null;
    if (this.#seen?.incarnation !== incarnation || this.#seen.revision !== revision) {
      this.#seen = { incarnation, revision, at: this.clock.now() };
    }
    if (revision === null || heartbeat === undefined || !this.fences) return;
    const beat = heartbeatSchema.parse(JSON.parse(heartbeat.text));
    const silentMs = this.clock.now() - this.#seen.at;
    if (silentMs < beat.deadlineMs + beat.marginMs) return;
    this.fence(incarnation, "silence", revision);
  }

  /** Writes a fence record; by order, the VMs must stand still only D+M after it (S9). */
  fence(incarnation: Incarnation, cause: "silence" | "order", revision: Revision | null): void {
    const record: FenceRecord = {
      schema: 1,
      cause,
      by: "h2" as HostId,
      heartbeatRevision: revision,
      waitedMs: 0,
      device: "not-needed",
      proofs: cause === "silence" ? ["silence"] : [],
      at: this.clock.wall(),
    };
    const key = keys.fence(host, incarnation);
    const end = this.store.write({
      compares: [
        { kind: "absent", key },
        ...(revision === null ? [] : [{ kind: "revision" as const, key: keys.heartbeat(host, incarnation), revision }]),
      ],
      writes: [{ kind: "put", key, text: JSON.stringify(record) }],
    });
    if (end.kind !== "committed") return;
    this.counts.fences++;
    const waitMs = cause === "silence" ? 0 : deadlineMs + marginMs;
    this.#over.set(incarnation, later(this.clock.now(), waitMs));
  }
}
