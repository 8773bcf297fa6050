import { guardEdit, whatStartBreaks } from "../../core/foresee/guard.ts";
import type { Asked, Planned } from "../../core/requests/plan.ts";
import type { Sight } from "../../core/requests/sight.ts";
import type { HostId } from "../../model/ids.ts";
import type { Reason } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import type { WithRequestId } from "./ask.ts";
import type { ApiOptions } from "./options.ts";

export type Acceptable = WithRequestId & { readonly accept?: boolean | undefined };

export function hostsUp(view: ClusterView, sight: Sight): ReadonlySet<HostId> {
  return new Set([...view.hosts.keys()].filter((host) => sight(host) === "up"));
}

/** The plan of an edit, held against what the cluster bears now (FC2). `edit`: its name for people. */
export function guarded(
  options: ApiOptions,
  sight: Sight,
  edit: string,
  { accept = false }: Acceptable,
  asked: Asked,
  planned: Planned,
  known: readonly Reason[] = [],
): Planned {
  return new EditWatch(options, sight).held(edit, { accept }, asked, planned, known);
}

/** Holds an edit against what the cluster bears, and keeps what is borne less only for VMs that it lets start. Null: nothing. */
export class EditWatch {
  note: Reason | null = null;
  readonly #options: ApiOptions;
  readonly #sight: Sight;

  constructor(options: ApiOptions, sight: Sight) {
    this.#options = options;
    this.#sight = sight;
  }

  held(
    edit: string,
    { accept = false }: Pick<Acceptable, "accept">,
    asked: Asked,
    planned: Planned,
    known: readonly Reason[] = [],
  ): Planned {
    const view = this.#options.view();
    const up = hostsUp(view, this.#sight);
    const found = guardEdit(view, planned, { edit, accept, up }, asked, known);
    this.note = found.note;
    return found.planned;
  }
}

/** Keeps what a start costs of what the cluster bears, as of the plan that was carried out. Null: nothing, or it was planned before. */
export class StartWatch {
  found: Reason | null = null;
  readonly #options: ApiOptions;
  readonly #sight: Sight;

  constructor(options: ApiOptions, sight: Sight) {
    this.#options = options;
    this.#sight = sight;
  }

  seen(planned: Planned, asked: Asked): Planned {
    if (planned.kind === "refused") return planned;
    const view = this.#options.view();
    const up = hostsUp(view, this.#sight);
    try {
      this.found = whatStartBreaks(view, planned.transaction, up, asked.at) ?? null;
    } catch (error) {
      // No VM stays down for what would only be told beside its start.
      this.#options.log?.(`What this start costs is not known: ${error instanceof Error ? error.message : error}`);
    }
    return planned;
  }
}
