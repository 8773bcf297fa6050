import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Contact } from "../../src/core/contact.ts";
import type { Standstill } from "../../src/core/standstill.ts";
import type { HostId, InstantMs, VmId, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { eventSchema, systemActor } from "../../src/model/records.ts";
import { type ApiHost, startApiHost, testClock } from "../support/api-host.ts";
import { begin } from "../support/cli-run.ts";
import { fence, heartbeat, held, host, incarnation, status } from "../support/records.ts";

const [h1, h2] = [host("h1"), host("h2")];
const n1 = incarnation(1);
let api: ApiHost;
/** Ages in ms of what this process heard: of the store, and of each host. */
let ages: { store: number; h1: number; h2: number };
let standstill: Standstill | undefined;

const at = (ageMs: number) => (testClock.now() - ageMs) as InstantMs;
const contact = (ageMs: number) => ({ incarnation: n1, heardAt: at(ageMs) }) as Contact;

beforeEach(async () => {
  ages = { store: 0, h1: 0, h2: 0 };
  standstill = undefined;
  api = await startApiHost({
    heard: {
      heardAt: () => at(ages.store),
      contacts: () => new Map<HostId, Contact>([h1, h2].map((id) => [id, contact(ages[id as "h1" | "h2"])])),
      standstill: () => standstill,
    },
  });
  const size = ["--memory", "80", "--pool", "shared", "--disk", "64", "--network", "lan"];
  for (const [name, on] of [
    ["web", "h1"],
    ["db", "h2"],
  ] as const) {
    await done("vm", "create", "--name", name, ...size);
    const [id] = [...api.view().vms].find(([, { value }]) => value.name === name) ?? [];
    const vm = id as VmId;
    await api.put(keys.vm(vm), { ...api.view().vms.get(vm)?.value, requested: "started" });
    await api.put(keys.owner(vm), held(on, 1, 1));
    await api.put(keys.vmStatus(vm), status(on, 1, 1, "running"));
  }
  for (const id of [h1, h2]) await api.put(keys.heartbeat(id, n1), heartbeat());
});
afterEach(async () => {
  await api.close();
});

async function done(...line: readonly string[]): Promise<string> {
  const { code, out, err } = await begin(line, { HOLDFAST_SOCKET: api.socket }).ended;
  expect({ line, code, err }).toEqual({ line, code: 0, err: "" });
  return out;
}

async function states(): Promise<Record<string, string>> {
  const { vms } = JSON.parse(await done("vm", "list", "--json")) as { vms: { name: string; state: string }[] };
  return Object.fromEntries(vms.map(({ name, state }) => [name, state]));
}

describe("[S2] VMs that stand still", () => {
  test("are called so by their own host, however old its view, with reason and since when", async () => {
    expect(await states()).toEqual({ web: "running", db: "running" });
    ages = { store: 7_000, h1: 7_000, h2: 7_000 };
    expect(await states(), "it still runs; of the other one nothing is known").toEqual({
      web: "running",
      db: "unknown",
    });
    standstill = { since: 1_000 as WallMs, why: "heart-store-silent" };
    expect(await states()).toEqual({ web: "frozen", db: "unknown" });
    expect(await done("vm", "show", "web")).toMatch(
      /State +frozen\nFrozen +yes, since \S+ \S+: The cluster's store does not answer, or takes no writes\.\n/u,
    );
    const shown = await done("host", "show", "h1");
    expect(shown).toMatch(/State +unknown, VMs frozen\n/u);
    expect(shown).toMatch(
      /VMs frozen +yes, since \S+ \S+: The cluster's store does not answer, or takes no writes\.\n/u,
    );
    expect(await done("host", "show", "h2")).toMatch(/VMs frozen +not known\n/u);
    const all = await done("cluster", "status");
    expect(all).toMatch(/FAIL +The VMs of host h1, which answers this, have stood still for \d+ ms/u);
    expect(all).toMatch(/Bears +not known: the host that answers hears none of the 2 hosts\n/u);
  });

  test("of another host: not known while it is silent, certain after its deadline, certain where it is fenced", async () => {
    ages.h2 = 4_000;
    expect(await states()).toEqual({ web: "running", db: "lost" });
    expect(await done("host", "show", "h2")).toMatch(/VMs frozen +not known\n/u);
    ages.h2 = 9_000;
    const silent = await done("host", "show", "h2");
    expect(silent).toMatch(/State +silent, VMs frozen\n/u);
    expect(silent).toMatch(/VMs frozen +yes: it has been silent for longer than its deadline\n/u);
    expect(await done("cluster", "status")).toMatch(/Bears +the loss of 0 of the 1 host that are up \(of 2\)/u);
    await api.put(keys.fence(h2, n1), fence());
    const fenced = await done("host", "show", "h2");
    expect(fenced).toMatch(/State +fenced\n/u);
    expect(fenced).toMatch(/VMs frozen +yes, or gone: it is fenced and may run none\n/u);
  });

  test("are told of in the history once they go on", async () => {
    const event = {
      ...{ schema: 1, host: "h1", boot: "b1", seq: 1, type: "vms-stood-still", subjects: { host: "h1" } },
      params: { host: "h1", incarnation: 1, sinceWall: 1_000, forMs: 7_500, vms: "web" },
      reason: { rule: "S2", code: "heartbeat-unconfirmed", params: { host: "h1" } },
      ...{ alternatives: [], actor: systemActor, at: 8_500, previous: "" },
    };
    await api.put(keys.event(h1, "b1", 1), eventSchema.parse(event));
    expect(await done("log", "--type", "vms-stood-still")).toMatch(
      /The VMs of host h1 \(web\) stood still for 7500 ms, from \d{4}-\d\d-\d\d \S+ on; they go on\. \[S2: No heartbeat of h1 was confirmed/u,
    );
  });
});
