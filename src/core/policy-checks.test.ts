import { expect, test } from "vitest";
import { epoch, host, incarnation, member, Records, vmId } from "../../test/support/records.ts";
import type { GroupId, VolumeId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { Group } from "../model/replication-records.ts";
import { policyChecks } from "./policy-checks.ts";

const nets = { availability: "10.0.1", migration: "10.0.2" } as const;

function cluster(...kinds: readonly (keyof typeof nets)[]): Records {
  const records = new Records();
  for (const [n, name] of ["h1", "h2", "h3"].entries()) {
    const links = kinds.map((kind) => ({ kind, address: `${nets[kind]}.${n + 1}`, subnet: `${nets[kind]}.0/24` }));
    records.put(keys.member(host(name)), member(name, { links }));
  }
  return records;
}
const idsOf = ({ view }: Records) => policyChecks(view).map(({ id, subject }) => `${id} ${subject}`);

test("moves without TLS are warned of", () => {
  const { migration } = defaultPolicy;
  expect(idsOf(cluster("migration"))).toEqual([]);
  const open = { ...defaultPolicy, migration: { ...migration, tls: false } };
  expect(idsOf(cluster("migration").put(keys.policy, open))).toEqual(["migration-without-tls cluster"]);
});

const group: Group = {
  schema: 1,
  name: "office" as GroupId,
  vms: [vmId("db")],
  source: host("h1"),
  target: host("h2"),
  mode: { kind: "synchronous", boundMs: 2_000 },
  points: null,
  paused: [],
  createdAt: 0 as Group["createdAt"],
};
const grouped = (records: Records) => records.put(keys.group(group.name), group);
const shared = (net: string) => [`migration-shares-replication ${net}.0/24`];

test("moves over the link that a group's writes take are warned of, with its hosts; whatever the link was made for", () => {
  expect(idsOf(cluster("availability"))).toEqual([]);
  expect(idsOf(grouped(cluster("availability")))).toEqual(shared("10.0.1"));
  expect(policyChecks(grouped(cluster("availability")).view)[0]?.params).toEqual({
    link: "10.0.1.0/24",
    hosts: "h1, h2",
  });
  expect(idsOf(grouped(cluster("migration")))).toEqual(shared("10.0.2"));
  expect(idsOf(grouped(cluster("availability", "migration")))).toEqual([]);
  const migration = { ...defaultPolicy.migration, links: ["availability", "migration"] };
  const records = grouped(cluster("availability", "migration")).put(keys.policy, { ...defaultPolicy, migration });
  expect(idsOf(records)).toEqual(shared("10.0.1"));
});

test("where the copies are really received counts, not where they would be", () => {
  const records = grouped(cluster("availability", "migration"));
  const doors = [{ address: "10.0.2.2", port: 40_001 }];
  const receiver = { incarnation: incarnation(1), epoch: epoch(1), doors };
  const key = keys.replica(vmId("db"), "vm-db-disk-0" as VolumeId, host("h2"));
  records.put(key, {
    schema: 1,
    vm: vmId("db"),
    volume: "vm-db-disk-0",
    host: "h2",
    epoch: 1,
    state: { kind: "copying" },
    receiver,
  });
  expect(idsOf(records)).toEqual(shared("10.0.2"));
});
