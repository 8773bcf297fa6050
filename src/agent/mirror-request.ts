import { limits } from "../core/limits.ts";
import type { HostId, VmId } from "../model/ids.ts";
import type { Group } from "../model/replication-records.ts";
import type { ClusterView } from "../model/view.ts";
import type { Door } from "../ports/migration.ts";
import type { AttachRequest } from "../ports/replication.ts";

/** What a relay of the VM is begun with. */
export function attachRequest(
  view: ClusterView,
  vm: VmId,
  { mode }: Group,
  to: HostId,
  doors: readonly Door[],
): AttachRequest {
  const disks = view.vms.get(vm)?.value.spec.disks ?? [];
  return {
    to,
    doors,
    tls: true,
    volumes: disks.map(({ volume, sizeMiB }) => ({ volume, sizeMiB })),
    waitMs: mode.kind === "synchronous" ? mode.boundMs : limits.replicaRetryMs,
  };
}
