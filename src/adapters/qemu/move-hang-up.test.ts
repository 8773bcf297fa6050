import { expect, test } from "vitest";
import { connectionsOf } from "./move-hang-up.ts";

const told = `ESTAB    0      0         10.92.0.11:55072   10.92.0.13:49152 users:(("qemu-system-x86",pid=16579,fd=16))
ESTAB    0      0         [fd00::11]:55074   [fd00::13]:49213 users:(("qemu-system-x86",pid=16579,fd=17),("sh",pid=7,fd=3))
ESTAB    0      0         10.92.0.11:55080   10.92.0.13:49153 users:(("qemu-system-x86",pid=165791,fd=16))
SYN-SENT 0      1         10.92.0.11:55082   10.92.0.13:49154
`;

test("the connections of a process by the words of ss: of nobody whose number only begins like its own", () => {
  expect(connectionsOf(told, [16579])).toEqual([
    { local: "10.92.0.11:55072", peer: "10.92.0.13:49152" },
    { local: "[fd00::11]:55074", peer: "[fd00::13]:49213" },
  ]);
  expect(connectionsOf(told, [7])).toEqual([{ local: "[fd00::11]:55074", peer: "[fd00::13]:49213" }]);
  expect(connectionsOf(told, [])).toEqual([]);
  expect(connectionsOf("", [16579])).toEqual([]);
});

test("the link of an address is left out: ss does not take back what it says", () => {
  const [one] = connectionsOf('ESTAB 0 0 [fe80::11]%eth1:55074 [fe80::13]%eth1:49213 users:(("qemu",pid=5,fd=1))', [5]);
  expect(one).toEqual({ local: "[fe80::11]:55074", peer: "[fe80::13]:49213" });
});
