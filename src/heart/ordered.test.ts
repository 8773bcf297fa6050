import { expect, test } from "vitest";
import { fenceOf, HeartRig, host, registrationOf, stored } from "../../test/support/heart-rig.ts";
import type { Incarnation } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { heartLimits } from "./limits.ts";

const one = 1 as Incarnation;
const registration = stored(keys.host(host), registrationOf(1, "seed-0"), 10);
const ordered = stored(keys.fence(host, one), { ...fenceOf(), cause: "order", device: "begun", proofs: [] }, 40);

function look(rig: HeartRig): void {
  rig.answer(keys.host(host), [registration]);
  rig.answer(keys.fence(host, one), [ordered]);
}

test("[S9, S13] a host whose power was ordered off stays away for a minute, then joins after all", () => {
  const rig = HeartRig.beating();
  rig.refused(rig.stampBoth().ticket, [registration, ordered]);
  look(rig);
  expect(rig.says).toMatchObject({ phase: "fenced" });
  for (let waited = 0; waited < heartLimits.orderedRestMs; waited += heartLimits.retryMs) {
    expect(rig.take("write-incarnation"), `after ${waited} ms`).toEqual([]);
    rig.tick(heartLimits.retryMs);
    look(rig);
  }
  rig.registers(2, 0);
});

const leftInOrder = stored(
  keys.fence(host, one),
  { ...fenceOf(), cause: "self", by: host, device: "not-needed", proofs: ["last-word"] },
  40,
);

test("[HM4] a host that gave its last word stays away while its machine goes down, and joins where it does not", () => {
  const rig = HeartRig.beating();
  rig.refused(rig.stampBoth().ticket, [registration, leftInOrder]);
  const answer = (): void => {
    rig.answer(keys.host(host), [registration]);
    rig.answer(keys.fence(host, one), [leftInOrder]);
  };
  answer();
  expect(rig.says).toMatchObject({ phase: "fenced", trouble: "heart-host-leaves" });
  for (let waited = 0; waited < heartLimits.leftRestMs; waited += heartLimits.retryMs) {
    expect(rig.take("write-incarnation"), `after ${waited} ms`).toEqual([]);
    rig.tick(heartLimits.retryMs);
    answer();
  }
  rig.registers(2, 0);
});
