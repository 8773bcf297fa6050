import { expect, test } from "vitest";
import type { Epoch, VmId, VolumeId } from "./ids.ts";
import { identityTrouble, type ReplicaIdentity } from "./replica-identity.ts";

const known: ReplicaIdentity = { vm: "web" as VmId, volume: "web-0" as VolumeId, epoch: 4 as Epoch, counter: 3 };
const codeOf = (found: ReplicaIdentity | undefined) => identityTrouble(known, found)?.code;

test("[S21] an image is used only as what it is known to be", () => {
  expect(codeOf(known)).toBeUndefined();
  expect(codeOf({ ...known, counter: 4 })).toBeUndefined();
  expect(codeOf(undefined)).toBe("replica-identity-missing");
  expect(codeOf({ ...known, vm: "mail" as VmId })).toBe("replica-identity-foreign");
  expect(codeOf({ ...known, volume: "web-1" as VolumeId })).toBe("replica-identity-foreign");
  expect(codeOf({ ...known, counter: 2 })).toBe("replica-identity-restored");
  expect(codeOf({ ...known, epoch: 3 as Epoch, counter: 9 })).toBe("replica-identity-restored");
  expect(codeOf({ ...known, epoch: 5 as Epoch })).toBe("replica-identity-later");
});

test("[S21] a refusal says what was found, for whoever has to look into the folder", () => {
  expect(identityTrouble(known, { ...known, counter: 1 })?.params).toEqual({
    vm: "web",
    volume: "web-0",
    epoch: 4,
    counter: 3,
    foundEpoch: 4,
    foundCounter: 1,
  });
});
