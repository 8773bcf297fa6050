import fc from "fast-check";
import { expect, test } from "vitest";
import type {
  GroupId,
  HostId,
  Incarnation,
  IntentId,
  NetworkId,
  PoolId,
  RuleId,
  TaskId,
  VmId,
  VolumeId,
} from "../../src/model/ids.ts";
import { type KeyName, keys, parseKey } from "../../src/model/keys.ts";

const id = fc.stringMatching(/^[a-z0-9][a-z0-9:._-]{0,20}$/u);
const host = id.map((text) => text as HostId);
const vm = id.map((text) => text as VmId);
const incarnation = fc.integer({ min: 1, max: 2 ** 40 }).map((number) => number as Incarnation);
const boot = fc.stringMatching(/^[a-f0-9]{1,32}(-[a-f0-9]{1,4})?$/u);

/** How each key is made, with what it must be taken apart to. Complete: a key without an entry does not compile. */
const made: Record<keyof typeof keys, fc.Arbitrary<readonly [string, KeyName]>> = {
  cluster: fc.constant([keys.cluster, { kind: "cluster" }]),
  policy: fc.constant([keys.policy, { kind: "policy" }]),
  disarm: fc.constant([keys.disarm, { kind: "disarm" }]),
  lastRuleEdit: fc.constant([keys.lastRuleEdit, { kind: "last-rule-edit" }]),
  lastVmDeletion: fc.constant([keys.lastVmDeletion, { kind: "last-vm-deletion" }]),
  lastGroupEdit: fc.constant([keys.lastGroupEdit, { kind: "last-group-edit" }]),
  managerTerm: fc.constant([keys.managerTerm, { kind: "manager-term" }]),
  managerTick: fc.constant([keys.managerTick, { kind: "manager-tick" }]),
  member: host.map((host) => [keys.member(host), { kind: "member", host }]),
  host: host.map((host) => [keys.host(host), { kind: "host", host }]),
  hostFacts: host.map((host) => [keys.hostFacts(host), { kind: "host-facts", host }]),
  fenceDevice: host.map((host) => [keys.fenceDevice(host), { kind: "fence-device", host }]),
  hostMode: host.map((host) => [keys.hostMode(host), { kind: "host-mode", host }]),
  maintenance: host.map((host) => [keys.maintenance(host), { kind: "maintenance", host }]),
  hostLosses: host.map((host) => [keys.hostLosses(host), { kind: "host-losses", host }]),
  hostUsage: host.map((host) => [keys.hostUsage(host), { kind: "host-usage", host }]),
  removedHost: host.map((host) => [keys.removedHost(host), { kind: "removed-host", host }]),
  heartbeat: fc
    .tuple(host, incarnation)
    .map(([host, incarnation]) => [keys.heartbeat(host, incarnation), { kind: "heartbeat", host, incarnation }]),
  fence: fc
    .tuple(host, incarnation)
    .map(([host, incarnation]) => [keys.fence(host, incarnation), { kind: "fence", host, incarnation }]),
  vm: vm.map((vm) => [keys.vm(vm), { kind: "vm", vm }]),
  vmStatus: vm.map((vm) => [keys.vmStatus(vm), { kind: "vm-status", vm }]),
  vmOrder: vm.map((vm) => [keys.vmOrder(vm), { kind: "vm-order", vm }]),
  vmMove: vm.map((vm) => [keys.vmMove(vm), { kind: "vm-move", vm }]),
  vmPlan: vm.map((vm) => [keys.vmPlan(vm), { kind: "vm-plan", vm }]),
  vmCopying: vm.map((vm) => [keys.vmCopying(vm), { kind: "vm-copying", vm }]),
  owner: vm.map((vm) => [keys.owner(vm), { kind: "owner", vm }]),
  replica: fc
    .tuple(vm, id, host)
    .map(([vm, text, host]) => [
      keys.replica(vm, text as VolumeId, host),
      { kind: "replica", vm, volume: text as VolumeId, host },
    ]),
  point: fc.tuple(vm, id).map(([vm, point]) => [keys.point(vm, point), { kind: "point", vm, point }]),
  vmName: id.map((name) => [keys.vmName(name), { kind: "vm-name", name }]),
  pool: id.map((text) => [keys.pool(text as PoolId), { kind: "pool", pool: text as PoolId }]),
  network: id.map((text) => [keys.network(text as NetworkId), { kind: "network", network: text as NetworkId }]),
  group: id.map((text) => [keys.group(text as GroupId), { kind: "group", group: text as GroupId }]),
  rule: id.map((text) => [keys.rule(text as RuleId), { kind: "rule", rule: text as RuleId }]),
  intent: id.map((text) => [keys.intent(text as IntentId), { kind: "intent", intent: text as IntentId }]),
  task: id.map((text) => [keys.task(text as TaskId), { kind: "task", task: text as TaskId }]),
  request: id.map((requestId) => [keys.request(requestId), { kind: "request", requestId }]),
  event: fc
    .tuple(host, boot, fc.nat())
    .map(([host, boot, seq]) => [keys.event(host, boot, seq), { kind: "event", host, boot, seq }]),
};
const anyMade = fc.oneof(...Object.values(made));

for (const [name, key] of Object.entries(made))
  test(`parseKey() takes keys.${name} apart to what it was made of`, () => {
    fc.assert(
      fc.property(key, ([text, parts]) => {
        expect(parseKey(text)).toEqual(parts);
      }),
    );
  });

test("every key starts and ends with a slash, so that a longer id is never another key's prefix", () => {
  fc.assert(
    fc.property(id, id, (a, b) => {
      const short = keys.owner(a as VmId);
      const long = keys.owner(`${a}${b}` as VmId);
      expect(short).toMatch(/^\/.*\/$/u);
      expect(long.startsWith(short)).toBe(false);
    }),
  );
  fc.assert(
    fc.property(anyMade, ([text]) => {
      expect(text).toMatch(/^\/.*\/$/u);
    }),
  );
});

test("different things never share a key", () => {
  fc.assert(
    fc.property(anyMade, anyMade, ([textA, a], [textB, b]) => {
      expect(textA === textB).toBe(JSON.stringify(a) === JSON.stringify(b));
    }),
    { numRuns: 2000 },
  );
});

test("what no version of this program wrote is unknown, and nothing throws", () => {
  for (const key of ["", "/", "/hb/h1/", "/hb/h1/0/", "/hb/h1/x/", "/manager/", "/vms/", "/names/pool/a/", "/later/a/"])
    expect(parseKey(key), key).toEqual({ kind: "unknown" });
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(typeof parseKey(text).kind).toBe("string");
    }),
  );
});
