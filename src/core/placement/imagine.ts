import type { HostId, InstantMs, WallMs } from "../../model/ids.ts";
import { type ClusterView, heartbeatOf } from "../../model/view.ts";
import { type Contact, hear } from "../contact.ts";
import type { Knowledge } from "./knowledge.ts";

/** What a manager would know if it heard these hosts now and no others: for questions of people, never for a decision. */
export function knowledgeOf(view: ClusterView, up: ReadonlySet<HostId>, wall: WallMs): Knowledge {
  const now = 0 as InstantMs;
  const contacts = new Map<HostId, Contact>();
  for (const host of up) {
    const incarnation = view.hosts.get(host)?.value.incarnation;
    const heartbeat = incarnation === undefined ? undefined : heartbeatOf(view, host, incarnation);
    if (incarnation === undefined || heartbeat === undefined) continue;
    const heard = { incarnation, revision: heartbeat.revision, heartbeat: heartbeat.value };
    contacts.set(host, hear(undefined, heard, 0, now, true));
  }
  return { now, wall, contacts, promised: new Map() };
}
