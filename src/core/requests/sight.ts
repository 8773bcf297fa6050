import type { HostId } from "../../model/ids.ts";

/**
 * How whoever answers a request sees a host. `silent`: it was heard, and is not any more. `absent`: never heard in this
 * incarnation, or never registered. `unknown`: the one who answers hears nothing at all.
 */
export type HostContact = "up" | "silent" | "fenced" | "absent" | "unknown";
export type Sight = (host: HostId) => HostContact;
