import type { HostId, InstantMs, VmId, WallMs } from "../../model/ids.ts";
import type { Contacts } from "../contact.ts";

/** What a process knows beside the store when it places VMs. */
export type Knowledge = {
  readonly now: InstantMs;
  readonly wall: WallMs;
  readonly contacts: Contacts;
  /** Where VMs go by transactions under way, which the view does not show yet: promised like what it shows (PL1). */
  readonly promised: ReadonlyMap<VmId, HostId>;
  /** By host: those that no link reached from there when somebody looked. Absent: nobody did. */
  readonly unreached?: ReadonlyMap<HostId, ReadonlySet<HostId>> | undefined;
};
