import { guardEdit } from "../../core/foresee/guard.ts";
import type { Asked, Planned } from "../../core/requests/plan.ts";
import type { Sight } from "../../core/requests/sight.ts";
import type { WithRequestId } from "./ask.ts";
import type { ApiOptions } from "./options.ts";

export type Acceptable = WithRequestId & { readonly accept?: boolean | undefined };

/** The plan of an edit, held against what the cluster bears now (FC2). `edit`: its name for people. */
export function guarded(
  options: ApiOptions,
  sight: Sight,
  edit: string,
  { accept = false }: Acceptable,
  asked: Asked,
  planned: Planned,
): Planned {
  const view = options.view();
  const up = new Set([...view.hosts.keys()].filter((host) => sight(host) === "up"));
  return guardEdit(view, planned, { edit, accept, up }, asked);
}
