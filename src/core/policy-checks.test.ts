import { expect, test } from "vitest";
import { host, member, pool, Records } from "../../test/support/records.ts";
import type { PoolId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { defaultPolicy } from "../model/policy.ts";
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
const replicated = (records: Records) => records.put(keys.pool("r" as PoolId), pool("r", "replicated"));
const idsOf = ({ view }: Records) => policyChecks(view).map(({ id, subject }) => `${id} ${subject}`);

test("moves without TLS are warned of", () => {
  const { migration } = defaultPolicy;
  expect(idsOf(cluster("migration"))).toEqual([]);
  const open = { ...defaultPolicy, migration: { ...migration, tls: false } };
  expect(idsOf(cluster("migration").put(keys.policy, open))).toEqual(["migration-without-tls cluster"]);
});

test("moves over the link of replication are warned of where something is replicated and no other link comes first", () => {
  expect(idsOf(cluster("availability"))).toEqual([]);
  expect(idsOf(replicated(cluster("availability")))).toEqual(["migration-shares-replication 10.0.1.0/24"]);
  expect(idsOf(replicated(cluster("availability", "migration")))).toEqual([]);
  const migration = { ...defaultPolicy.migration, links: ["availability", "migration"] };
  const records = replicated(cluster("availability", "migration")).put(keys.policy, { ...defaultPolicy, migration });
  expect(idsOf(records)).toEqual(["migration-shares-replication 10.0.1.0/24"]);
});
