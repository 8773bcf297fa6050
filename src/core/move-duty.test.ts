import { expect, test } from "vitest";
import { epoch, fence, held, host, incarnation, Records, status, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import type { HeldOwner } from "../model/records.ts";
import type { MovePart } from "../ports/hypervisor.ts";
import { type MoveDuty, moveDuty } from "./move-duty.ts";

const web = vmId("web");
const one = incarnation(1);
const source = { host: host("h1"), incarnation: one };
const target = { host: host("h2"), incarnation: one };
const here = { vm: web, incarnation: one, epoch: epoch(4) };
const there = { ...here, epoch: epoch(5) };
const open: VmMove = {
  schema: 1,
  vm: web,
  kind: "migrate",
  from: source.host,
  incarnation: one,
  epoch: epoch(4),
  to: target.host,
  reason: { rule: "HM1", code: "asked", params: {} },
  answer: { kind: "open" },
  at: 0 as VmMove["at"],
};
const waiting: VmMove = { ...open, live: { kind: "waiting", incarnation: one, doors: [], tls: true } };
const switched: VmMove = { ...open, live: { kind: "switched", incarnation: one } };
const failed: VmMove = { ...open, answer: { kind: "failed", code: "x", params: {} } };
const mine = held("h1", 1, 4);
const theirs = held("h2", 1, 5);

function view(owner: object | null, move: VmMove | null, fenced: string | null = null) {
  const records = new Records().host("h1").host("h2").host("h3");
  if (owner !== null) records.put(keys.owner(web), owner);
  if (move !== null) records.put(keys.vmMove(web), move);
  if (fenced !== null) records.put(keys.fence(host(fenced), one), fence());
  return records.view;
}

type Case = readonly [what: string, part: MovePart, owner: object | null, move: VmMove | null, duty: MoveDuty];
const released = { schema: 1, kind: "released", host: "h1", epoch: 4, failed: null, failedHosts: [] };
const cases: readonly Case[] = [
  ["the target was just asked", "incoming", mine, open, "keep"],
  ["the target waits", "incoming", mine, waiting, "keep"],
  ["the VM changed hands", "incoming", theirs, switched, "complete"],
  ["the move is gone", "incoming", mine, null, "abandon"],
  ["the move has failed", "incoming", mine, failed, "abandon"],
  ["the source started the VM again", "incoming", held("h1", 1, 5), waiting, "abandon"],
  ["the source stopped it", "incoming", released, waiting, "abandon"],
  ["its source has quit, or the VM was placed here in the same epoch", "incoming", theirs, null, "complete"],
  ["it was placed here while the move waits", "incoming", theirs, waiting, "abandon"],
  ["it was given back", "incoming", held("h1", 1, 6), failed, "abandon"],
  ["it goes to another host", "incoming", mine, { ...waiting, to: host("h3") }, "abandon"],
  ["it was let go on", "arriving", theirs, switched, "complete"],
  ["it was let go on, and its source has quit", "arriving", theirs, null, "complete"],
  ["it was let go on, and has failed since", "arriving", theirs, { ...switched, answer: failed.answer }, "complete"],
  ["it was let go on, and another run was placed", "arriving", held("h3", 1, 6), null, "kill"],
  ["the guest is copied", "leaving", mine, waiting, "keep"],
  ["the move is gone", "leaving", mine, null, "let-go-on"],
  ["the move has failed", "leaving", mine, failed, "let-go-on"],
  ["the move is of another epoch", "leaving", mine, { ...waiting, epoch: epoch(3) }, "let-go-on"],
  ["the VM changed hands", "leaving", theirs, switched, "switch-over"],
  ["the VM was recovered elsewhere", "leaving", held("h3", 1, 5), null, "kill"],
  ["the VM changed hands", "handed", theirs, switched, "switch-over"],
  ["it came back", "handed", held("h1", 1, 6), failed, "adopt"],
  ["the move is over", "handed", theirs, null, "kill"],
  ["it went on to a third host", "handed", held("h3", 1, 6), null, "kill"],
  ["the VM is no more", "handed", null, null, "kill"],
];

test.each(cases)("[S15] %s: a run that is %s", (_, part, owner, move, duty) => {
  const incoming = part === "incoming" || part === "arriving";
  expect(moveDuty(view(owner, move), incoming ? target : source, incoming ? there : here, part)).toBe(duty);
});

test("[S15] a copy that was handed to a target which is fenced is killed: nobody gives it back", () => {
  expect(moveDuty(view(theirs, switched, "h2"), source, here, "handed")).toBe("kill");
});

test.each([
  ["starting", "switch-over"],
  ["failed", "switch-over"],
  ["running", "kill"],
  ["paused", "kill"],
] as const)("[S15] a copy that was handed to a target which says %s: %s", (phase, duty) => {
  const records = new Records().host("h1").host("h2").put(keys.owner(web), theirs).put(keys.vmMove(web), switched);
  expect(moveDuty(records.put(keys.vmStatus(web), status("h2", 1, 5, phase)).view, source, here, "handed")).toBe(duty);
  // Of a run before.
  records.put(keys.vmStatus(web), status("h2", 1, 3, phase));
  expect(moveDuty(records.view, source, here, "handed")).toBe("switch-over");
});

test("[S1, S15] a run of an earlier incarnation has no part in a move any more", () => {
  const later = incarnation(2);
  const records = view(theirs, switched);
  expect(moveDuty(records, { ...target, incarnation: later }, there, "incoming")).toBe("abandon");
  expect(moveDuty(records, { ...source, incarnation: later }, here, "handed")).toBe("kill");
  expect(moveDuty(view(mine, waiting), { ...source, incarnation: later }, here, "leaving")).toBe("let-go-on");
});

test("[S15] whatever the records say, at most one of both copies is to go on", () => {
  const goesOn: readonly MoveDuty[] = ["complete", "let-go-on", "adopt"];
  const owners: readonly (HeldOwner | object | null)[] = [
    mine,
    theirs,
    released,
    null,
    ...["h1", "h2", "h3"].flatMap((name) => [4, 5, 6].map((e) => held(name, 1, e))),
  ];
  let seen = 0;
  for (const owner of owners)
    for (const move of [null, open, waiting, switched, failed])
      for (const fenced of [null, "h1", "h2"])
        for (const part of ["leaving", "handed"] as const) {
          const records = view(owner, move, fenced);
          const duties = [moveDuty(records, source, here, part), moveDuty(records, target, there, "incoming")];
          const going = duties.filter((duty) => goesOn.includes(duty)).length;
          expect(going, JSON.stringify({ owner, move, fenced, part, duties })).toBeLessThanOrEqual(1);
          seen += going;
        }
  expect(seen).toBeGreaterThan(0);
});
