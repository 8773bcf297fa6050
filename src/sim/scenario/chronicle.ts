import { limits } from "../../core/limits.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import { parseJson } from "../../model/json.ts";
import { type KeyName, parseKey } from "../../model/keys.ts";
import type { Transaction } from "../../model/transaction.ts";
import type { Checker, Writer } from "../checkers/checker.ts";
import type { Commit } from "../world/history.ts";
import type { Copy, SimHost } from "../world/host.ts";
import type { StoryEvent } from "../world/story.ts";
import type { World } from "../world/world.ts";
import { type Decision, decisionsOf } from "./decisions.ts";
import { tellDecision } from "./tell.ts";

/** One line of a trace. Times are the world's. */
export type TraceLine = {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
  readonly rule: string;
  /** Where it was decided in the store. */
  readonly decision: Decision | undefined;
};

const managers: readonly Decision["kind"][] = [
  ...(["device", "placed", "taken-over", "lost-released", "leads", "forgiven"] as const),
  ...(["moves", "place-changed"] as const),
];
const operators: readonly Decision["kind"][] = ["wanted", "deleted", "asked", "maintains", "rules", "group", "removed"];
const hostSays = ["vm-paused", "vm-stop-failed", "replica-lags", "replica-caught-up"];

type Refusal = { readonly by: "manager" | "host"; readonly what: string; readonly rule: string };
/** What a refused transaction would have written, for people; what is not listed is everyday work. */
const refusals: Readonly<Partial<Record<KeyName["kind"], Refusal>>> = {
  heartbeat: { by: "host", what: "its heartbeat is refused", rule: "S1" },
  host: { by: "host", what: "its registration is refused", rule: "S1" },
  fence: { by: "manager", what: "its fence record is refused", rule: "S9" },
  owner: { by: "manager", what: "its owner record is refused", rule: "S14" },
  "manager-tick": { by: "manager", what: "its tick is refused: the term is over", rule: "S12" },
  "manager-term": { by: "manager", what: "its claim of the office is refused", rule: "S12" },
};
const refusalsFoldMs = 5_000;
/** After a host could be called silent. */
const lookAfterMs = 100;

/** The same finding with other numbers is the same loss. */
export function kindOfLoss(rule: string, text: string): string {
  return `${rule} ${text.replaceAll(/\d+/gu, "0")}`;
}

/** Writes down every change of state and every effect of a world, from what was committed and what really happened. */
export class Chronicle {
  readonly lines: TraceLine[] = [];
  readonly #world: World;
  #storySeen = 0;
  readonly #silent = new Set<HostId>();
  readonly #beatAt = new Map<HostId, number>();
  readonly #frozen = new Set<HostId>();
  readonly #refusedAt = new Map<string, number>();
  readonly #losses = new Set<string>();
  readonly #heartPhases = new Map<HostId, string>();

  constructor(world: World) {
    this.#world = world;
    // Before the world's own listener: the truth still holds what stood there before.
    world.history.onCommit((commit) => this.#committed(commit, world.writer));
  }

  /** Its ears, among the checkers. */
  checker(): Checker {
    return {
      rule: "",
      starting: (copy) => {
        const isMoved = copy.moving.part === "arriving";
        if (isMoved) this.#tell(copy.host.id, `lets ${describe(copy)} go on`, "S15");
        else this.#tell(copy.host.id, `starts ${describe(copy)}`, "S14");
      },
      adopting: (copy, as) =>
        this.#tell(
          copy.host.id,
          `moves ${describe(copy)} over: epoch ${as.epoch} of ${copy.host.id}/${as.incarnation}`,
          "S11",
        ),
      ended: (copy, exit) => {
        const still = this.#frozen.has(copy.host.id) || isShut(copy) ? ", frozen" : "";
        this.#tell(copy.host.id, `${describe(copy)} ends: ${exit}${still}`, still === "" ? "" : "S6");
      },
      landed: (copy) => this.#tell(copy.host.id, `a write of ${describe(copy)} lands late`, "S5"),
      powerOffAsked: (target) => this.#tell(this.#manager(), `orders the power of ${target} off`, "S9"),
      refused: (writer, transaction) => this.#refused(writer, transaction),
      levels: (host, before, after) => this.#levels(host, before.size, after.size),
      audit: () => this.#audit(),
    };
  }

  tellStep(what: string): void {
    this.#tell("--", what, "");
  }

  /** A checker's finding where the guarantee does not hold, once for each kind. */
  tellLoss(rule: string, text: string): void {
    const kind = kindOfLoss(rule, text);
    if (this.#losses.has(kind)) return;
    this.#losses.add(kind);
    this.#tell("LOST", text.replaceAll("vm:", ""), rule);
  }

  /** Who runs what, in the end. */
  ending(): string {
    const { truth, hosts } = this.#world;
    const vms = [...truth.vms.keys()].sort().map((vm) => `${nameOf(vm)} ${this.#whereIs(vm)}`);
    const up = hosts.filter((host) => host.works).map((host) => host.id);
    return [...vms, `up ${up.length === 0 ? "nobody" : up.join(",")}`].join("; ");
  }

  #whereIs(vm: VmId): string {
    const copies = this.#world.copiesOf(vm);
    if (copies.length === 0) return "runs nowhere";
    return copies
      .map((copy) => {
        const how = copy.host.executes(copy) ? "runs" : copy.paused ? "stands paused" : "stands frozen";
        return `${how} on ${copy.host.id} epoch ${copy.run.epoch}`;
      })
      .join(" and ");
  }

  #tell(who: string, what: string, rule: string, decision?: Decision): void {
    this.#drainStory();
    this.lines.push({ atMs: this.#world.scheduler.now, who, what, rule, decision });
  }

  /** Power and the operator's refusals are told by the world itself. */
  #drainStory(): void {
    const events = this.#world.story.all();
    for (; this.#storySeen < events.length; this.#storySeen++) {
      const event = events[this.#storySeen];
      const what = event === undefined ? undefined : tellWorld(event);
      if (event === undefined || what === undefined) continue;
      if (event.code === "power-off") this.#forget(event.who as HostId);
      this.lines.push({ atMs: event.atMs, who: event.who, what, rule: "", decision: undefined });
    }
  }

  #forget(host: HostId): void {
    this.#frozen.delete(host);
    this.#heartPhases.delete(host);
  }

  #manager(): string {
    const { writer, truth } = this.#world;
    return `manager@${writer?.host.id ?? truth.term?.host ?? "?"}`;
  }

  #committed(commit: Commit, writer: Writer | null): void {
    const { truth, scheduler } = this.#world;
    const changes = commit.changes.map((change) => ({
      name: parseKey(change.key),
      value: change.kind === "put" ? parseJson(change.text) : undefined,
      before: truth.values.get(change.key),
    }));
    for (const { name, value } of changes) {
      if (name.kind !== "heartbeat" || value === undefined) continue;
      this.#beatAt.set(name.host, scheduler.now);
      // Silence is no event, and where all stand still there is none.
      scheduler.after(limits.aliveMs + lookAfterMs, () => {});
    }
    for (const decision of decisionsOf(changes)) {
      const { what, rule } = tellDecision(decision, nameOf);
      this.#tell(actorOf(decision, writer), what, rule, decision);
    }
  }

  /** A compare that did not hold, said once while the same is refused again and again. */
  #refused(writer: Writer, { writes }: Transaction): void {
    const name = writes[0] === undefined ? undefined : parseKey(writes[0].key);
    const told = name === undefined ? undefined : refusals[name.kind];
    if (told === undefined) return;
    const who = writer.process === "daemon" && told.by === "manager" ? `manager@${writer.host.id}` : writer.host.id;
    const last = this.#refusedAt.get(`${who} ${told.what}`) ?? Number.NEGATIVE_INFINITY;
    this.#refusedAt.set(`${who} ${told.what}`, this.#world.scheduler.now);
    if (this.#world.scheduler.now - last > refusalsFoldMs) this.#tell(who, told.what, told.rule);
  }

  #levels(host: SimHost, before: number, after: number): void {
    const copies = [...host.copies.values()].filter((copy) => copy.alive && !isShut(copy));
    if (before === 0 && after > 0 && copies.length > 0) {
      this.#frozen.add(host.id);
      this.#tell(host.id, `freezes ${list(copies)}`, "S5");
    }
    if (after === 0 && this.#frozen.delete(host.id) && copies.length > 0)
      this.#tell(host.id, `thaws ${list(copies)}`, "S2");
  }

  #audit(): void {
    this.#drainStory();
    for (const host of this.#world.hosts) {
      if (!this.#world.isWitness(host)) this.#hear(host.id);
      const phase = host.heartSays?.phase ?? "";
      if (phase === this.#heartPhases.get(host.id)) continue;
      this.#heartPhases.set(host.id, phase);
      if (phase === "refused") this.#tell(host.id, `its heart stops for good: ${host.heartSays?.trouble}`, "S1");
    }
  }

  #hear(host: HostId): void {
    const silent = this.#world.scheduler.now - (this.#beatAt.get(host) ?? 0) > limits.aliveMs;
    if (silent === this.#silent.has(host)) return;
    if (silent) this.#silent.add(host);
    else this.#silent.delete(host);
    this.#tell("store", silent ? `${host} heard -> silent` : `${host} silent -> heard`, "");
  }
}

function actorOf(decision: Decision, writer: Writer | null): string {
  if (writer === null) return "--";
  const host = writer.host.id;
  const byHeart = writer.process === "heart";
  const manages =
    managers.includes(decision.kind) ||
    (decision.kind === "fenced" && !byHeart && decision.cause !== "self") ||
    (decision.kind === "proven" && !byHeart && decision.proof !== "last-word") ||
    (decision.kind === "says" && !hostSays.includes(decision.code)) ||
    (decision.kind === "errs" && decision.code === "vm-lost-while-locked");
  if (manages) return `manager@${host}`;
  return operators.includes(decision.kind) ? "operator" : host;
}

function tellWorld({ code, params, rule }: StoryEvent): string | undefined {
  if (code === "power-off" && params["by"] === "itself") return "goes down by itself";
  if (code === "power-off") return params["by"] === "device" ? "power goes off, by its device" : "power goes off";
  if (code === "power-on") return "power comes on";
  if (code === "power-off-asked" && rule === "S23") return `asks for the power of ${params["target"]} to be cut`;
  if (code === "forced") return `goes on with ${params["host"]} alone, by force`;
  if (code === "member-joined") return `${params["host"]} joins as a new member`;
  if (code === "takeover") return `at ${params["at"]}: ${params["end"]}`;
  if (code === "refused") return `is refused: ${params["code"]}`;
  return undefined;
}

/** Its incarnation's folder is shut by its own switch: it stands still whatever the guards' levels say. */
function isShut(copy: Copy): boolean {
  return copy.host.tree.folders.get(copy.run.incarnation)?.frozen === true;
}

function list(copies: readonly Copy[]): string {
  return copies
    .map((copy) => nameOf(copy.run.vm))
    .sort()
    .join(", ");
}

function describe(copy: Copy): string {
  return `${nameOf(copy.run.vm)} epoch ${copy.run.epoch}`;
}

/** VMs of stories are called by what follows `vm:`. */
function nameOf(vm: VmId): string {
  return vm.slice(vm.indexOf(":") + 1);
}
