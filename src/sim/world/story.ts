import type { Params } from "../../model/reason.ts";

/** One thing that happened, as data: rendered for people, compared as a whole by the replay test. */
export type StoryEvent = {
  readonly atMs: number;
  readonly who: string;
  readonly code: string;
  readonly params: Params;
  readonly rule: string;
};

/** The story of a run. Without `keepAll` only its end is kept, for the report of a failure. */
export class Story {
  readonly #keepAll: boolean;
  readonly #now: () => number;
  #events: StoryEvent[] = [];
  count = 0;

  constructor(now: () => number, keepAll: boolean) {
    this.#now = now;
    this.#keepAll = keepAll;
  }

  tell(who: string, code: string, params: Params = {}, rule = ""): void {
    this.count += 1;
    this.#events.push({ atMs: this.#now(), who, code, params, rule });
    if (!this.#keepAll && this.#events.length > 400) this.#events = this.#events.slice(-200);
  }

  all(): readonly StoryEvent[] {
    return this.#events;
  }

  last(count: number): readonly StoryEvent[] {
    return this.#events.slice(-count);
  }
}

export function renderStory(event: StoryEvent): string {
  const at = (event.atMs / 1000).toFixed(3).padStart(9);
  const params = Object.entries(event.params)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
  return `${at}  ${event.who.padEnd(10)} ${event.code.padEnd(24)} ${params}${event.rule === "" ? "" : `  [${event.rule}]`}`.trimEnd();
}
