import type { Revision, TaskId } from "../../model/ids.ts";
import type { EventFilter } from "../../ports/journal.ts";
import type { EventOutput } from "../contract/event.ts";
import type { TaskOutput } from "../contract/task.ts";
import { type ApiOptions, apiLimits } from "./options.ts";
import { presentTask } from "./present-tasks.ts";
import { presentEvent } from "./present-vms.ts";
import type { Tracker } from "./tracker.ts";
import { sleep } from "./wait.ts";

const pageMax = 500;

/** The newest `limit` events that match (or all after `after`), then each one as the journal gets it, until aborted. */
export async function* followEvents(
  options: ApiOptions,
  filter: EventFilter,
  signal: AbortSignal | undefined,
): AsyncGenerator<EventOutput, void, void> {
  // Taken before the first reading: an event that arrives between the two comes twice rather than never, and is dropped.
  let cursor: Revision = filter.after ?? options.journal.last();
  if (filter.after === undefined && filter.limit > 0) {
    for (const stored of options.journal.read(filter)) {
      if (stored.revision <= cursor) yield presentEvent(stored);
    }
  }
  while (signal?.aborted !== true) {
    for (const stored of options.journal.read({ ...filter, after: cursor, limit: pageMax })) {
      yield presentEvent(stored);
      cursor = stored.revision;
    }
    await sleep(options.clock, apiLimits.followMs, signal);
  }
}

/** The task as it stands, then each change, until it has ended or is removed. */
export async function* followTask(
  options: ApiOptions,
  tracker: Tracker,
  id: TaskId,
  signal: AbortSignal | undefined,
): AsyncGenerator<TaskOutput, void, void> {
  let shown = "";
  while (signal?.aborted !== true) {
    const stored = options.view().tasks.get(id);
    if (stored === undefined) return;
    // How it goes may stand in other records than its own.
    const task = presentTask(options.view(), tracker, stored.value);
    const text = JSON.stringify(task);
    if (text !== shown) yield task;
    shown = text;
    if (task.end !== null) return;
    await sleep(options.clock, apiLimits.followMs, signal);
  }
}
