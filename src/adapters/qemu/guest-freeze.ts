import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { parseJson } from "../../model/json.ts";
import { refuse } from "../../model/reason.ts";
import type { GuestFreezer } from "../../ports/guest-freeze.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";

export type GuestFreezerOptions = {
  readonly runDir: string;
  /** Where the guest agent's channel of a run is; undefined: it has none. */
  readonly channel: (run: VmRun) => string | undefined;
};

/** `close`: guests that stand still go on first. */
export interface QemuGuestFreezer extends GuestFreezer {
  close(): Promise<void>;
}

const limits = { answerMs: 1_000, thawMs: 10_000, againMs: 1_000 } as const;
const done: HypervisorEnd = { kind: "done" };

/** A guest that stands still. `held`: nobody let it go on yet. */
type Frozen = { readonly agent: Agent; readonly limit: NodeJS.Timeout; held: boolean };
type Freezer = {
  readonly options: GuestFreezerOptions;
  readonly frozen: Map<string, Frozen>;
  /** Guests of which nobody knows whether they go on: asked again then. */
  readonly again: Map<string, NodeJS.Timeout>;
};

/** Guests that an earlier agent left standing still go on at once, or as soon as they listen. */
export function openGuestFreezer(options: GuestFreezerOptions): QemuGuestFreezer {
  const freezer: Freezer = { options, frozen: new Map(), again: new Map() };
  for (const name of markedIn(options.runDir)) void letMarkedGoOn(freezer, name);
  return {
    freeze: (run, limitMs, end) => answer(freeze(freezer, run, limitMs), end),
    thaw: (run, end) => answer(thaw(freezer, run), end),
    close: async () => {
      for (const name of [...freezer.frozen.keys()]) await letGoOn(freezer, name);
      for (const timer of freezer.again.values()) clearTimeout(timer);
    },
  };
}

function answer(work: Promise<HypervisorEnd>, end: (end: HypervisorEnd) => void): void {
  void work.catch((error: unknown): HypervisorEnd => ({ kind: "unknown", cause: String(error) })).then(end);
}

function nameOf({ incarnation, vm, epoch }: VmRun): string {
  return `${incarnation}.${vm}.${epoch}`;
}

async function freeze(freezer: Freezer, run: VmRun, limitMs: number): Promise<HypervisorEnd> {
  const { vm } = run;
  const { options, frozen } = freezer;
  const name = nameOf(run);
  const path = options.channel(run);
  if (frozen.has(name)) return refuse("freeze-under-way", { vm });
  const agent = path === undefined ? undefined : await Agent.open(path, limits.answerMs);
  if (path === undefined || agent === undefined) return refuse("freeze-no-agent", { vm });
  // On record first: whoever comes after this process knows that it has to be let go on.
  writeMark(options.runDir, name, path);
  const limit = setTimeout(() => void letGoOn(freezer, name), limitMs);
  frozen.set(name, { agent, limit, held: true });
  const end = await agent.ask("guest-fsfreeze-freeze", Math.min(limitMs, limits.answerMs));
  if (end.kind === "returned") return done;
  await letGoOn(freezer, name);
  if (end.kind === "refused") return refuse("freeze-refused", { vm, detail: end.why });
  return { kind: "unknown", cause: `the guest agent of ${vm} did not answer in time` };
}

async function thaw(freezer: Freezer, run: VmRun): Promise<HypervisorEnd> {
  const held = await letGoOn(freezer, nameOf(run));
  return held ? done : refuse("freeze-not-held", { vm: run.vm });
}

/** False: it had gone on before, or whether it stood still until now is not known. */
async function letGoOn(freezer: Freezer, name: string): Promise<boolean> {
  const { options, frozen } = freezer;
  const found = frozen.get(name);
  if (found === undefined || !found.held) return false;
  found.held = false;
  clearTimeout(found.limit);
  const end = await found.agent.ask("guest-fsfreeze-thaw", limits.thawMs);
  found.agent.close();
  frozen.delete(name);
  if (end.kind === "returned") rmSync(markFile(options.runDir, name), { force: true });
  else tryAgain(freezer, name);
  return end.kind === "returned" && end.value > 0;
}

/** S20: a guest must not stand still because nobody in it listened once. Until it says that it goes on, or is gone. */
async function letMarkedGoOn(freezer: Freezer, name: string): Promise<void> {
  if (freezer.frozen.has(name)) return tryAgain(freezer, name);
  const mark = markFile(freezer.options.runDir, name);
  if (!existsSync(mark)) return;
  const path = readFileSync(mark, "utf8");
  const agent = await Agent.open(path, limits.answerMs);
  const end = await agent?.ask("guest-fsfreeze-thaw", limits.thawMs);
  agent?.close();
  if (end?.kind === "returned" || !existsSync(path)) rmSync(mark, { force: true });
  else tryAgain(freezer, name);
}

function tryAgain(freezer: Freezer, name: string): void {
  clearTimeout(freezer.again.get(name));
  freezer.again.set(
    name,
    setTimeout(() => void letMarkedGoOn(freezer, name), limits.againMs),
  );
}

function markedIn(runDir: string): readonly string[] {
  const root = join(runDir, "standing-still");
  return existsSync(root) ? readdirSync(root) : [];
}

function markFile(runDir: string, name: string): string {
  return join(runDir, "standing-still", name);
}

function writeMark(runDir: string, name: string, path: string): void {
  mkdirSync(join(runDir, "standing-still"), { recursive: true, mode: 0o700 });
  writeFileSync(markFile(runDir, name), path);
}

const saysSchema = z.object({
  return: z.unknown().optional(),
  error: z.object({ desc: z.string().optional() }).optional(),
});
type Says = z.infer<typeof saysSchema>;
type AgentEnd =
  | { readonly kind: "returned"; readonly value: number }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "silent" };

/** One conversation with a guest agent, which answers one question after the other. */
class Agent {
  readonly #socket: Socket;
  #text = "";
  #hear: (line: string) => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.setEncoding("utf8").on("data", (data: string) => {
      this.#text += data;
      for (let cut = this.#text.indexOf("\n"); cut >= 0; cut = this.#text.indexOf("\n")) {
        const line = this.#text.slice(0, cut);
        this.#text = this.#text.slice(cut + 1);
        this.#hear(line);
      }
    });
  }

  /** Undefined: nobody answers. What an earlier question was answered is passed over. */
  static async open(path: string, limitMs: number): Promise<Agent | undefined> {
    const agent = new Agent(createConnection({ path }));
    const token = Math.floor(performance.now() * 1_000);
    // What somebody else left unfinished ends with this byte, and may be answered with an error that means nothing here.
    agent.#socket.write(Buffer.of(0xff));
    const isIt = (says: Says): boolean => says.return === token;
    const end = await agent.#askFor(isIt, "guest-sync", limitMs, { id: token });
    if (end.kind === "returned") return agent;
    agent.close();
    return undefined;
  }

  ask(execute: string, limitMs: number): Promise<AgentEnd> {
    return this.#askFor((says) => says.return !== undefined || says.error !== undefined, execute, limitMs);
  }

  close(): void {
    this.#socket.destroy();
  }

  #askFor(isIt: (says: Says) => boolean, execute: string, limitMs: number, args?: object): Promise<AgentEnd> {
    return new Promise((resolve) => {
      const finish = (end: AgentEnd): void => {
        clearTimeout(limit);
        this.#socket.off("close", onClose);
        // A later question may have been put meanwhile, and its answer is not to be missed.
        if (this.#hear === hear) this.#hear = () => undefined;
        resolve(end);
      };
      const onClose = (): void => finish({ kind: "silent" });
      const limit = setTimeout(onClose, limitMs);
      this.#socket.once("close", onClose);
      const hear = (line: string): void => {
        const says = saysSchema.safeParse(parseJson(line));
        if (!says.success || !isIt(says.data)) return;
        if (says.data.error !== undefined) finish({ kind: "refused", why: says.data.error.desc ?? "" });
        else finish({ kind: "returned", value: Number(says.data.return) });
      };
      this.#hear = hear;
      this.#socket.write(`${JSON.stringify({ execute, ...(args && { arguments: args }) })}\n`);
    });
  }
}
