import type { TaskOutput } from "../../api/contract/task.ts";
import type { VmSummary } from "../../api/contract/vm.ts";
import { render } from "../../model/messages/index.ts";
import type { Reason } from "../../model/reason.ts";
import type { Cli } from "../program.ts";
import type { Session } from "../session.ts";
import { localTimes } from "../text.ts";
import { type CliTrouble, fail } from "../trouble.ts";
import { taskEnd } from "./task-end.ts";
import { courseText } from "./task-list.ts";
import { stateText } from "./vm-show.ts";

export type FollowOptions = {
  readonly name: string;
  readonly verb: string;
  readonly wait: boolean;
  /** Undefined: `waitDefaults.seconds`, and less where nothing will come of it as things are. */
  readonly timeout?: number | undefined;
  readonly json?: true;
};

/** `standsSeconds`: a start that no host takes is waited for as long, unless somebody says for how long. */
export const waitDefaults = { seconds: 300, standsSeconds: 20 } as const;

/** What follows on a wish that goes on as a task: watched to its end, or only named. */
export async function followTask(cli: Cli, session: Session, task: TaskOutput, options: FollowOptions): Promise<void> {
  const { name, verb, wait, timeout } = options;
  const seconds = timeout ?? waitDefaults.seconds;
  const standsSeconds = timeout === undefined ? waitDefaults.standsSeconds : seconds;
  const quiet = options.json === true;
  if (wait && !quiet) cli.io.err(stoppedFirstText(task));
  const last = wait ? await watchTask(cli, session, task, name, { seconds, standsSeconds, quiet }) : task;
  if (quiet) cli.json(last);
  else if (!wait) cli.io.out(`${name}: ${verb} is recorded as ${task.id}.\n${stoppedFirstText(task)}`);
}

/** Said before it happens; nothing where its guest runs on to the last moment. */
function stoppedFirstText({ stoppedFirst }: TaskOutput): string {
  return stoppedFirst === null ? "" : noteText(stoppedFirst);
}

/** What is said beside an order that stands. */
export function noteText({ code, params }: Pick<Reason, "code" | "params">): string {
  const { cause, effect, remedy } = render(code, params);
  return `${[cause, effect, remedy].filter((text) => text !== null).join(" ")}\n`;
}

/** Said beside a start. A daemon of an older version says nothing of it. */
export function bearsLessText(bearsLess: Reason | null | undefined): string {
  return bearsLess == null ? "" : noteText(bearsLess);
}

/** Shows a task's progress until its end. Ends the command where it fails, or does not end in time. */
export async function watchTask(
  cli: Cli,
  session: Session,
  task: TaskOutput,
  name: string,
  limits: { readonly seconds: number; readonly standsSeconds?: number; readonly quiet: boolean },
): Promise<TaskOutput> {
  const timeout = AbortSignal.timeout(limits.seconds * 1_000);
  const patience = new Patience((limits.standsSeconds ?? limits.seconds) * 1_000);
  const signal = AbortSignal.any([timeout, cli.io.stop, patience.signal]);
  const show = limits.quiet ? () => {} : progressTo(cli);
  let last: TaskOutput | undefined;
  const open = () =>
    cli.io.stop.aborted
      ? fail("task-not-awaited", { vm: name, task: task.id }, 3)
      : stillOpen(last ?? task, name, limits.seconds);
  let percent = 0;
  await session.call(async (client) => {
    try {
      for await (const now of await client.task.follow({ task: task.id }, { signal })) {
        last = now;
        patience.look(standsStill(now));
        const { vm } = await client.vm.show({ vm: task.vm }, { signal });
        if (now.end === null) {
          // Between two of its parts nothing is told of the one that has ended: what was done is not undone by that.
          percent = Math.max(percent, now.percent);
          show(progressText(vm, { ...now, percent }));
        } else show("");
        if (now.end?.kind !== "done" || limits.quiet) continue;
        cli.io.out(`${taskEnd(now.kind, vm, now.toName)}\n`);
      }
    } catch (error) {
      if (signal.aborted) throw open();
      throw error;
    } finally {
      patience.look(false);
    }
  });
  if (signal.aborted) throw open();
  const end = last?.end;
  if (last === undefined || end === undefined || end === null) throw fail("task-lost", { task: task.id, vm: name }, 3);
  if (end.kind === "failed") throw failedEnd(end);
  return last;
}

/** As things are nothing comes of it. */
function standsStill({ kind, end, waits }: TaskOutput): boolean {
  return kind === "start-vm" && end === null && waits != null;
}

function stillOpen(task: TaskOutput, name: string, seconds: number): CliTrouble {
  const { waits } = task;
  if (!standsStill(task) || waits === null) return fail("task-still-open", { vm: name, task: task.id, seconds }, 3);
  const why = render(waits.code, localTimes(waits.params)).cause;
  return fail("start-still-waits", { vm: name, task: task.id, why }, 3);
}

/** Runs out once something stood still for as long without a break. */
class Patience {
  readonly #limitMs: number;
  readonly #over = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  look(stands: boolean): void {
    if (stands) this.#timer ??= setTimeout(() => this.#over.abort(), this.#limitMs);
    else {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }
}

function failedEnd({ code, params, why }: Extract<TaskOutput["end"], { readonly kind: "failed" }>): CliTrouble {
  if (why === undefined) return fail(code, params, 1);
  return fail("order-dropped-for", { ...params, why: render(why.code, why.params).cause }, 1);
}

/** Where its VM is, and how far a task of it has come. */
export function progressText(vm: VmSummary, task: TaskOutput): string {
  const on = vm.host === null ? "" : ` on ${vm.host}`;
  const course = courseText(task);
  return `${vm.name}: ${stateText(vm)}${on} (${task.percent} %)${course === "" ? "" : `: ${course}`}`;
}

/** On a terminal one line that changes, and goes at the end; else a line each. */
export function progressTo(cli: Cli): (text: string) => void {
  return (text) => {
    if (cli.io.tty) cli.io.err(`\r\u001b[K${text}`);
    else if (text !== "") cli.io.err(`${text}\n`);
  };
}
