import fc from "fast-check";
import { expect, test } from "vitest";
import { facts, host, member, Records } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import { cutLinks, linkNames, linkOrder, moveLinks } from "./migration-links.ts";

type Kind = "management" | "availability" | "migration";
const on = (name: string, number: number, links: readonly (readonly [Kind, string])[]) =>
  member(name, {
    links: links.map(([kind, net]) => ({ kind, address: `${net}.${number}`, subnet: `${net}.0/24` })),
  });
const all: readonly (readonly [Kind, string])[] = [
  ["management", "10.0.0"],
  ["availability", "10.0.1"],
  ["migration", "10.0.2"],
  ["migration", "10.0.10"],
];
const noOrder = { order: [], gateways: new Set<string>() };
const nets = (links: ReturnType<typeof moveLinks>) => links.map(({ subnet }) => subnet);

test("links without a default gateway come first, the cluster's own link last, made for moves before others", () => {
  const [a, b] = [on("h1", 1, all), on("h2", 2, all)];
  expect(nets(moveLinks(a, b, noOrder))).toEqual(["10.0.2.0/24", "10.0.10.0/24", "10.0.1.0/24", "10.0.0.0/24"]);
  const gateways = new Set(["10.0.2.0/24", "10.0.0.0/24"]);
  expect(nets(moveLinks(a, b, { order: [], gateways }))).toEqual([
    "10.0.10.0/24",
    "10.0.1.0/24",
    "10.0.2.0/24",
    "10.0.0.0/24",
  ]);
});

test("each link is a pair of addresses of one subnet, and says whether replication is on it", () => {
  const links = moveLinks(on("h1", 1, all), on("h2", 2, all), noOrder);
  expect(links[0]).toEqual({ subnet: "10.0.2.0/24", from: "10.0.2.1", to: "10.0.2.2", sharesReplication: false });
  expect(links.filter((link) => link.sharesReplication).map(({ subnet }) => subnet)).toEqual(["10.0.1.0/24"]);
});

test("a link is cut where the end that is asked does not answer; for a third host, where only one of both does", () => {
  const links = moveLinks(on("h1", 1, all), on("h2", 2, all), noOrder);
  const cut = (asker: Parameters<typeof cutLinks>[1], ...answers: readonly string[]) =>
    nets(cutLinks(links, asker, new Set(answers)));
  expect(cut("from", "10.0.0.2", "10.0.1.2")).toEqual(["10.0.2.0/24", "10.0.10.0/24"]);
  expect(cut("to", "10.0.0.1", "10.0.1.1")).toEqual(["10.0.2.0/24", "10.0.10.0/24"]);
  // Neither end answers at 10.0.10.0/24: the one who asks may be cut off there itself.
  expect(cut("other", "10.0.0.1", "10.0.0.2", "10.0.1.1", "10.0.2.2")).toEqual(["10.0.2.0/24", "10.0.1.0/24"]);
});

test("the policy's order counts alone, also where it leaves links out", () => {
  const [a, b] = [on("h1", 1, all), on("h2", 2, all)];
  const order = ["10.0.0.0/24", "192.168.0.0/24", "10.0.10.0/24"];
  expect(nets(moveLinks(a, b, { ...noOrder, order }))).toEqual(["10.0.0.0/24", "10.0.10.0/24"]);
});

test("the order may name kinds of links: all of that kind, in the default order, each once", () => {
  const [a, b] = [on("h1", 1, all), on("h2", 2, all)];
  const gateways = new Set(["10.0.2.0/24"]);
  const order = ["availability", "migration", "10.0.2.0/24"];
  expect(nets(moveLinks(a, b, { order, gateways }))).toEqual(["10.0.1.0/24", "10.0.10.0/24", "10.0.2.0/24"]);
});

test("what hosts say of their routes counts for the whole subnet, where it is a link of theirs", () => {
  const records = new Records().put(keys.member(host("h1")), on("h1", 1, all)).host("h9");
  records.put(keys.hostFacts(host("h1")), facts({ routedAddresses: ["10.0.2.1", "192.168.0.1"] }));
  expect(linkOrder(records.view)).toEqual({ order: [], gateways: new Set(["10.0.2.0/24"]) });
  const known = linkNames(records.view).join();
  expect(known).toBe("10.0.0.0/24,10.0.1.0/24,10.0.10.0/24,10.0.2.0/24,availability,management,migration");
});

test("a subnet that only one of the two has is no link; none in common, none at all", () => {
  const [a, b] = [on("h1", 1, all.slice(0, 2)), on("h2", 2, all.slice(1, 3))];
  expect(nets(moveLinks(a, b, noOrder))).toEqual(["10.0.1.0/24"]);
  expect(moveLinks(on("h1", 1, all.slice(0, 1)), on("h2", 2, all.slice(1)), noOrder)).toEqual([]);
});

test("the order is the same for all hosts, in both directions, however their links are listed", () => {
  const links = fc.shuffledSubarray([...all], { minLength: 0 });
  fc.assert(
    fc.property(links, links, fc.subarray(all.map(([, net]) => `${net}.0/24`)), (mine, theirs, routed) => {
      const [a, b] = [on("h1", 1, mine), on("h2", 2, theirs)];
      const order = { order: [], gateways: new Set(routed) };
      expect(nets(moveLinks(a, b, order))).toEqual(nets(moveLinks(b, a, order)));
      const whole = nets(moveLinks(on("h3", 3, all), on("h4", 4, all), order));
      const found = nets(moveLinks(a, b, order));
      expect(found).toEqual(whole.filter((net) => found.includes(net)));
    }),
  );
});
