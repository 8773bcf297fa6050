import fc from "fast-check";
import { expect, test } from "vitest";
import { checkRules } from "../../src/core/rules/checks.ts";
import { crowdedRules } from "../../src/core/rules/room-apart.ts";
import { bookOf, compileRules, type RuleBook } from "../../src/core/rules/rule-book.ts";
import type { HostId, RuleId, VmId } from "../../src/model/ids.ts";
import type { Rule } from "../../src/model/rules.ts";
import { host, vmId } from "../support/records.ts";
import { apart, onHosts, together } from "../support/rules.ts";

const vmNames = ["a", "b", "c", "d", "e"] as const;
const vms = vmNames.map(vmId);
const hostNames = ["h1", "h2", "h3"] as const;
const hosts = hostNames.map(host);
const hostSet = new Set(hosts);
const twoVms = fc.subarray([...vmNames], { minLength: 2, maxLength: 4 }).map((names) => names.join(" "));
const anyVms = fc.subarray([...vmNames], { minLength: 1 }).map((names) => names.join(" "));
const someHosts = fc.subarray([...hostNames], { minLength: 1 });

type Make = (id: string) => Rule;
const togetherRule: fc.Arbitrary<Make> = twoVms.map((names) => (id) => together(id, names));
const apartRule: fc.Arbitrary<Make> = twoVms.map((names) => (id) => apart(id, names));
/** All of one priority, and nowhere else: what a brute force can decide. */
const strictRule: fc.Arbitrary<Make> = fc.tuple(anyVms, someHosts).map(
  ([names, on]) =>
    (id) =>
      onHosts(id, names, on.join(" "), true),
);
const rankedRule: fc.Arbitrary<Make> = fc.tuple(anyVms, someHosts, fc.nat(2), fc.boolean()).map(
  ([names, on, step, strict]) =>
    (id) =>
      onHosts(id, names, on.map((h, i) => `${h}:${i * step}`).join(" "), strict),
);

function ruleSet(...kinds: fc.Arbitrary<Make>[]): fc.Arbitrary<Rule[]> {
  return fc.array(fc.oneof(...kinds), { maxLength: 6 }).map((makes) => makes.map((make, i) => make(`r${i}`)));
}

const anyRules = ruleSet(togetherRule, togetherRule, apartRule, rankedRule);

type Book = Omit<RuleBook, "failing">;

/** All that a book says of these VMs and hosts, as plain text. */
function said({ classOf, together, apart, rulesOf }: Book): unknown {
  return vms.map((vm) => ({
    classes: hosts.map((on) => classOf(vm, on) ?? "not allowed"),
    together: [...together(vm)].sort(),
    apart: [...apart(vm)].sort(),
    rules: rulesOf(vm),
  }));
}

test("[AF4] the result does not depend on the order of the rules, nor of their VMs", () => {
  const shuffled = anyRules.chain((rules) =>
    fc.tuple(fc.constant(rules), fc.shuffledSubarray(rules, { minLength: rules.length }), fc.boolean()),
  );
  fc.assert(
    fc.property(shuffled, ([rules, others, turned]) => {
      const turn = (rule: Rule): Rule => (turned ? { ...rule, vms: [...rule.vms].reverse() } : rule);
      const first = compileRules(rules, hostSet);
      const second = compileRules(others.map(turn), hostSet);
      expect(said(second)).toEqual(said(first));
      expect([...second.failing.keys()].sort()).toEqual([...first.failing.keys()].sort());
    }),
    { numRuns: 500 },
  );
});

/** The merged rules as rules: what a book says of each pair and of each VM's hosts. */
function asRules({ classOf, together: mates, apart: foes }: Book): Rule[] {
  const pairs = vmNames.flatMap((x, i) => vmNames.slice(i + 1).map((y) => [x, y] as const));
  const bound = vmNames.filter((x) => hosts.some((on) => classOf(vmId(x), on) !== 0));
  return [
    ...pairs.filter(([x, y]) => mates(vmId(x)).has(vmId(y))).map(([x, y]) => together(`t-${x}${y}`, `${x} ${y}`)),
    ...pairs.filter(([x, y]) => foes(vmId(x)).has(vmId(y))).map(([x, y]) => apart(`p-${x}${y}`, `${x} ${y}`)),
    ...bound.map((x) => {
      const classes = hostNames.map((on) => [on, classOf(vmId(x), host(on))] as const);
      const strict = classes.some(([, rank]) => rank === undefined);
      const listed = classes.filter(([, rank]) => rank !== undefined && rank >= 0);
      return onHosts(`h-${x}`, x, listed.map(([on, rank]) => `${on}:${rank}`).join(" "), strict);
    }),
  ];
}

test("[AF4] merging what is merged changes nothing", () => {
  fc.assert(
    fc.property(anyRules, (rules) => {
      const once = compileRules(rules, hostSet);
      const plain = (book: Book) => (said(book) as { rules: unknown }[]).map((one) => ({ ...one, rules: null }));
      expect(plain(bookOf(asRules(once)))).toEqual(plain(once));
    }),
    { numRuns: 500 },
  );
});

test("[AF4] together and apart are mutual, together is transitive, and never both", () => {
  fc.assert(
    fc.property(anyRules, (rules) => {
      const { together: mates, apart: foes, classOf } = compileRules(rules, hostSet);
      for (const x of vms) {
        expect(mates(x).has(x) || foes(x).has(x)).toBe(false);
        for (const y of foes(x)) {
          expect(foes(y).has(x)).toBe(true);
          expect(mates(x).has(y)).toBe(false);
        }
        for (const y of mates(x)) {
          expect(mates(y).has(x)).toBe(true);
          expect(new Set([...mates(y), y])).toEqual(new Set([...mates(x), x]));
          expect(foes(y)).toEqual(foes(x));
          for (const on of hosts) expect(classOf(y, on)).toBe(classOf(x, on));
        }
      }
    }),
    { numRuns: 500 },
  );
});

/** Slow and plain: the closure of pairs. */
function closure(rules: readonly Rule[]): {
  mates: (x: VmId, y: VmId) => boolean;
  foes: (x: VmId, y: VmId) => boolean;
} {
  const near = new Set(vms.map((x) => `${x} ${x}`));
  for (const rule of rules) {
    if (rule.kind !== "vm-affinity" || rule.affinity !== "together") continue;
    for (const x of rule.vms) for (const y of rule.vms) near.add(`${x} ${y}`);
  }
  for (const k of vms)
    for (const x of vms) for (const y of vms) if (near.has(`${x} ${k}`) && near.has(`${k} ${y}`)) near.add(`${x} ${y}`);
  const mates = (x: VmId, y: VmId) => near.has(`${x} ${y}`);
  const far = (x: VmId, y: VmId) =>
    rules.some(
      (rule) =>
        rule.kind === "vm-affinity" &&
        rule.affinity === "apart" &&
        rule.vms.some((a) => mates(x, a) && rule.vms.some((b) => a !== b && mates(y, b))),
    );
  return { mates: (x, y) => x !== y && mates(x, y), foes: far };
}

test("[AF4] a plain closure of pairs says the same", () => {
  fc.assert(
    fc.property(ruleSet(togetherRule, apartRule), (rules) => {
      const { failing, together: mates, apart: foes } = compileRules(rules, hostSet);
      const slow = closure(rules.filter((rule) => !failing.has(rule.id)));
      for (const x of vms)
        for (const y of vms) {
          expect(mates(x).has(y), `${x} with ${y}`).toBe(slow.mates(x, y));
          expect(foes(x).has(y), `${x} not with ${y}`).toBe(slow.foes(x, y));
        }
    }),
    { numRuns: 1_000 },
  );
});

/** Whether any placement of all VMs follows all rules to the letter; every rule for hosts is strict here. */
function isPossible(rules: readonly Rule[]): boolean {
  const follows = (at: ReadonlyMap<VmId, HostId>, rule: Rule): boolean => {
    const on = rule.vms.map((vm) => at.get(vm));
    if (rule.kind === "host-affinity") return on.every((one) => rule.hosts.some(({ host }) => host === one));
    return rule.affinity === "together" ? new Set(on).size === 1 : new Set(on).size === on.length;
  };
  const count = hosts.length ** vms.length;
  for (let n = 0; n < count; n++) {
    const at = new Map(vms.map((vm, i) => [vm, hosts[Math.floor(n / hosts.length ** i) % hosts.length] as HostId]));
    if (rules.every((rule) => follows(at, rule))) return true;
  }
  return false;
}

test("[AF1, AF2, AF3] what cannot hold for want of hosts, or together and apart, really cannot", () => {
  const impossible = new Set(["rule-more-vms-than-hosts", "rule-together-and-apart", "rule-too-few-hosts-to-be-apart"]);
  let seen = 0;
  fc.assert(
    fc.property(ruleSet(togetherRule, apartRule, apartRule, strictRule), (rules) => {
      const codes = [...checkRules(rules, hostSet).values()].flat().map((reason) => reason.code);
      if (!codes.some((code) => impossible.has(code))) return;
      seen += 1;
      expect(isPossible(rules)).toBe(false);
    }),
    { numRuns: 500 },
  );
  expect(seen).toBeGreaterThan(50);
});

test("[AF2, AF3] with one rule that keeps apart and any that keep together, the checks find whatever is impossible", () => {
  const sets = fc.tuple(ruleSet(togetherRule), apartRule).map(([rules, make]) => [...rules, make("p")]);
  const seen = { fine: 0, impossible: 0 };
  fc.assert(
    fc.property(sets, (rules) => {
      const fine = checkRules(rules, hostSet).size === 0;
      seen[fine ? "fine" : "impossible"] += 1;
      expect(isPossible(rules)).toBe(fine);
    }),
    { numRuns: 500 },
  );
  expect(Math.min(seen.fine, seen.impossible)).toBeGreaterThan(50);
});

test("[AF1] rules for hosts and together-rules that pass the checks can be followed to the letter", () => {
  let seen = 0;
  fc.assert(
    fc.property(ruleSet(togetherRule, strictRule), (rules) => {
      if (checkRules(rules, hostSet).size > 0) return;
      seen += 1;
      expect(isPossible(rules)).toBe(true);
    }),
    { numRuns: 500 },
  );
  expect(seen).toBeGreaterThan(50);
});

test("[AF6] for one rule that keeps apart beside any others, the checks and the room found at the edit are exact", () => {
  const few = fc.constantFrom("h1", "h2", "h1 h2", "h2 h3", "h1 h2 h3");
  // d and e, which may have to be with others, are apart in the others' stead.
  const sets = fc
    .tuple(few, few, few, fc.constantFrom("a b c", "d b c", "d b e"), fc.option(togetherRule))
    .map(([a, b, c, vms, mates]) => [
      ...[onHosts("ha", "a", a, true), onHosts("hb", "b", b, true), onHosts("hc", "c", c, true)],
      ...[apart("p", vms), together("da", "d a"), together("ec", "e c")],
      ...(mates === null ? [] : [mates("t")]),
    ]);
  const seen = { fine: 0, crowded: 0 };
  fc.assert(
    fc.property(sets, (rules) => {
      if (checkRules(rules, hostSet).size > 0) return;
      const crowd = crowdedRules(rules, hostSet).get("p" as RuleId);
      seen[crowd === undefined ? "fine" : "crowded"] += 1;
      expect(isPossible(rules)).toBe(crowd === undefined);
      if (crowd !== undefined) expect(crowd.vms.length).toBeGreaterThan(crowd.hosts.length);
    }),
    { numRuns: 2_000 },
  );
  expect(Math.min(seen.fine, seen.crowded)).toBeGreaterThan(20);
});
