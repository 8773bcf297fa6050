import type { Client } from "../src/api/client/index.ts";
import type { EventOutput } from "../src/api/contract/event.ts";
import { localTimes } from "../src/cli/text.ts";
import { render } from "../src/model/messages/index.ts";
import { clientOf } from "./bootstrap.ts";
import type { Cluster } from "./cluster.ts";
import type { Address } from "./reach.ts";

const pollMs = 300;
const pageTimeoutMs = 1_000;

/** One line of the history: what, and why. */
export function eventText(event: EventOutput): string {
  const what = render(event.type, localTimes(event.params)).cause;
  if (event.reason === null) return what;
  return `${what} Why (${event.reason.rule}): ${render(event.reason.code, event.reason.params).cause}`;
}

type Standing = Pick<Awaited<ReturnType<Client["cluster"]["status"]>>, "cluster" | "hosts" | "manager" | "vms">;

/** A witness is said to be one: it has no heart, and so no state as the hosts have it. */
export function standingLine({ cluster, hosts, manager, vms }: Standing): string {
  const members = hosts.map(({ name, role, state }) => `${name} ${role === "witness" ? "witness" : state}`).join(", ");
  const guests = vms.map(({ name, state, host }) => `${name} ${state} on ${host ?? "no host"}`).join(", ");
  return `Cluster ${cluster?.name ?? ""}: ${members}; manager ${manager?.host ?? "none"}; ${guests}.`;
}

/** Repeats `work` until stopped, never two at once. */
function repeat(everyMs: number, work: () => Promise<void>): () => void {
  let stopped = false;
  const loop = async (): Promise<void> => {
    while (!stopped) {
      await work();
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  };
  void loop();
  return () => {
    stopped = true;
  };
}

/** Shows each event of the cluster once, whichever host tells it first: hosts may be off or cut off. Returns the stop. */
export function showEvents(cluster: Cluster, show: (line: string) => void): () => void {
  const seen = new Set<string>();
  let after = 0;
  return repeat(pollMs, async () => {
    const asked = cluster.world.hosts.map((host) =>
      clientOf(cluster, host.name)
        .event.list({ after, limit: 500 }, { signal: AbortSignal.timeout(pageTimeoutMs) })
        .then((answer) => answer.events)
        .catch(() => []),
    );
    const events = (await Promise.all(asked)).flat().sort((a, b) => a.revision - b.revision);
    for (const event of events) {
      const id = `${event.host}/${event.boot}/${event.seq}`;
      if (!seen.has(id)) show(`${event.host}: ${eventText(event)}`);
      seen.add(id);
      after = Math.max(after, event.revision - 1);
    }
  });
}

/**
 * Tells when the VMs of a host stand still and when they go on, as each host itself says: out of contact it can write nothing
 * into the history. Returns the stop.
 */
export function showFreezes(cluster: Cluster, show: (line: string) => void): () => void {
  const since = new Map<string, number>();
  const look = async (host: string): Promise<void> => {
    const answer = await clientOf(cluster, host)
      .host.show({ host }, { signal: AbortSignal.timeout(pageTimeoutMs) })
      .catch(() => undefined);
    const known = answer?.host;
    if (known === undefined) return;
    const began = since.get(host);
    const names = known.holds.map((held) => held.name).join(", ");
    if (known.standstill !== null && began === undefined && names !== "") {
      since.set(host, known.standstill.since ?? Date.now());
      const { why } = known.standstill;
      const cause = why === null ? "" : ` ${render(why.code, why.params).cause}`;
      show(`${host}: its VMs (${names}) stand still: no heartbeat was confirmed in time.${cause}`);
    } else if (known.standstill === null && began !== undefined) {
      since.delete(host);
      show(`${host}: holds its VMs frozen no more, after ${((Date.now() - began) / 1000).toFixed(1)} s`);
    }
  };
  return repeat(pollMs, async () => {
    await Promise.all(cluster.world.hosts.map((host) => look(host.name)));
  });
}

export type PageStatus = { readonly epoch: number; readonly boots: number };

/** What the guest says of itself; undefined: no answer. */
export async function pageStatus(cluster: Cluster, page: Address): Promise<PageStatus | undefined> {
  const end = await cluster.world.reach.http(page, { path: "/status", timeoutMs: pageTimeoutMs });
  return end.kind === "answered" && end.status === 200 ? (JSON.parse(end.body) as PageStatus) : undefined;
}

/** Tells when the page stops and starts to answer, and how long it was away. Returns the stop. */
export function showPage(cluster: Cluster, page: Address, show: (line: string) => void): () => void {
  let silentSince: number | null = null;
  let epoch = 0;
  return repeat(pollMs, async () => {
    const askedAt = performance.now();
    const status = await pageStatus(cluster, page);
    if (status === undefined) {
      if (epoch > 0 && silentSince === null) show("page: no answer");
      silentSince ??= askedAt;
      return;
    }
    const away = silentSince === null ? "" : ` after ${((performance.now() - silentSince) / 1000).toFixed(1)} s`;
    if (epoch === 0) show(`page: answers (epoch ${status.epoch}, boot ${status.boots})`);
    else if (silentSince !== null) show(`page: answers again${away} (epoch ${status.epoch}, boot ${status.boots})`);
    silentSince = null;
    epoch = status.epoch;
  });
}
