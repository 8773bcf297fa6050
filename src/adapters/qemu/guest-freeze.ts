import { createConnection, type Socket } from "node:net";
import { z } from "zod";
import { parseJson } from "../../model/json.ts";
import { refuse } from "../../model/reason.ts";
import type { GuestFreezer } from "../../ports/guest-freeze.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import {
  clearMark,
  type FreezeOptions,
  findMarked,
  freezableRun,
  markedIn,
  markName,
  writeMark,
} from "./freeze-marks.ts";

/** `close`: guests that stand still go on first, if they answer soon. */
export interface QemuGuestFreezer extends GuestFreezer {
  close(): Promise<void>;
}

const limits = { answerMs: 1_000, thawMs: 10_000, againMs: 1_000 } as const;
const done: HypervisorEnd = { kind: "done" };

/** A guest that stands still. `held`: nobody let it go on yet. `isAnswered`: it said what came of the freeze. */
type Frozen = { readonly agent: Agent; readonly limit: NodeJS.Timeout; held: boolean; isAnswered: boolean };
type Freezer = {
  readonly options: FreezeOptions;
  readonly frozen: Map<string, Frozen>;
  /** Guests of which nobody knows whether they go on: asked again then. */
  readonly again: Map<string, NodeJS.Timeout>;
  closed: boolean;
};

/** Guests that an earlier agent left standing still go on at once, or as soon as they listen. */
export function openGuestFreezer(options: FreezeOptions): QemuGuestFreezer {
  const freezer: Freezer = { options, frozen: new Map(), again: new Map(), closed: false };
  for (const name of markedIn(options.runDir)) void letMarkedGoOn(freezer, name);
  return {
    freeze: (run, limitMs, end) => answer(freeze(freezer, run, limitMs), end),
    thaw: (run, end) => answer(thaw(freezer, run), end),
    close: async () => {
      freezer.closed = true;
      for (const timer of freezer.again.values()) clearTimeout(timer);
      freezer.again.clear();
      // The mark of one that does not answer stays, for the next one.
      await Promise.all([...freezer.frozen.keys()].map((name) => letGoOn(freezer, name, limits.answerMs)));
    },
  };
}

function answer(work: Promise<HypervisorEnd>, end: (end: HypervisorEnd) => void): void {
  void work.catch((error: unknown): HypervisorEnd => ({ kind: "unknown", cause: String(error) })).then(end);
}

async function freeze(freezer: Freezer, run: VmRun, limitMs: number): Promise<HypervisorEnd> {
  const { vm } = run;
  const { options, frozen } = freezer;
  const name = markName(run);
  const channel = freezableRun(options, run)?.channel;
  if (frozen.has(name) || freezer.closed) return refuse("freeze-under-way", { vm });
  const agent = channel === undefined ? undefined : await Agent.open(channel, limits.answerMs);
  if (agent === undefined) return refuse("freeze-no-agent", { vm });
  // Nothing is waited for between this look and the mark: a move looks for the mark, and notes that it leaves, the same way.
  const now = freezableRun(options, run);
  if (now?.executes !== true || freezer.closed || frozen.has(name)) {
    agent.close();
    return refuse("freeze-not-executing", { vm });
  }
  // On record first: whoever comes after this process knows that it has to be let go on.
  writeMark(options.runDir, name, now.channel);
  const limit = setTimeout(() => void letGoOn(freezer, name), limitMs);
  const entry: Frozen = { agent, limit, held: true, isAnswered: false };
  frozen.set(name, entry);
  const end = await agent.ask("guest-fsfreeze-freeze", Math.min(limitMs, limits.answerMs));
  entry.isAnswered = end.kind !== "silent";
  if (end.kind === "returned") return done;
  await letGoOn(freezer, name);
  if (end.kind === "refused") return refuse("freeze-refused", { vm, detail: end.why });
  return { kind: "unknown", cause: `the guest agent of ${vm} did not answer in time` };
}

async function thaw(freezer: Freezer, run: VmRun): Promise<HypervisorEnd> {
  const held = await letGoOn(freezer, markName(run));
  return held ? done : refuse("freeze-not-held", { vm: run.vm });
}

/** False: it had gone on before, or whether it stood still until now is not known. */
async function letGoOn(freezer: Freezer, name: string, limitMs: number = limits.thawMs): Promise<boolean> {
  const { options, frozen } = freezer;
  const found = frozen.get(name);
  if (found === undefined || !found.held) return false;
  found.held = false;
  clearTimeout(found.limit);
  const value = await thawBy(found, findMarked(options, name), limitMs);
  found.agent.close();
  frozen.delete(name);
  if (value === undefined) tryAgain(freezer, name);
  else clearMark(options.runDir, name);
  return value !== undefined && value > 0;
}

/** How many file systems went on; undefined: nobody said. */
async function thawBy(
  { agent, isAnswered }: Pick<Frozen, "agent" | "isAnswered">,
  where: ReturnType<typeof findMarked>,
  limitMs: number,
): Promise<number | undefined> {
  // A QEMU that stands frozen is told nothing: it would take effect at any later time.
  if (typeof where === "string" || !where.executes) return undefined;
  // What the freeze is answered late must not pass for the answer to the thaw.
  if (!isAnswered && !(await agent.sync(limitMs))) return undefined;
  const end = await agent.ask("guest-fsfreeze-thaw", limitMs);
  return end.kind === "returned" ? end.value : undefined;
}

/** S20: a guest must not stand still because nobody in it listened once. Until it says that it goes on, or is gone. */
async function letMarkedGoOn(freezer: Freezer, name: string): Promise<void> {
  freezer.again.delete(name);
  if (freezer.frozen.has(name)) return tryAgain(freezer, name);
  const where = findMarked(freezer.options, name);
  if (where === "unmarked") return;
  if (where === "gone") return clearMark(freezer.options.runDir, name);
  const agent = where.executes ? await Agent.open(where.channel, limits.answerMs) : undefined;
  const value = agent === undefined ? undefined : await thawBy({ agent, isAnswered: true }, where, limits.thawMs);
  agent?.close();
  if (value === undefined) tryAgain(freezer, name);
  else clearMark(freezer.options.runDir, name);
}

function tryAgain(freezer: Freezer, name: string): void {
  if (freezer.closed) return;
  clearTimeout(freezer.again.get(name));
  freezer.again.set(
    name,
    setTimeout(() => void letMarkedGoOn(freezer, name), limits.againMs),
  );
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
    // What somebody else left unfinished ends with this byte, and may be answered with an error that means nothing here.
    agent.#socket.write(Buffer.of(0xff));
    if (await agent.sync(limitMs)) return agent;
    agent.close();
    return undefined;
  }

  /** From here on answers are of what is asked from here on. False: it does not answer. */
  async sync(limitMs: number): Promise<boolean> {
    const token = Math.floor(performance.now() * 1_000);
    const isIt = (says: Says): boolean => says.return === token;
    return (await this.#askFor(isIt, "guest-sync", limitMs, { id: token })).kind === "returned";
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
