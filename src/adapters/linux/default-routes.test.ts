import { expect, test } from "vitest";
import { defaultsOf4, defaultsOf6 } from "./default-routes.ts";

const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";

test("interfaces out of which a default route leads; routes to a subnet, and what is down, are none", () => {
  const rows = [
    "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
    "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
    "eth1\t00000000\t00000000\t0002\t0\t0\t0\t00000000\t0\t0\t0",
    "eth2\t00000000\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0",
  ];
  expect(defaultsOf4([head, ...rows, ""].join("\n"))).toEqual(["eth0"]);
  expect(defaultsOf4(head)).toEqual([]);
});

test("the kernel's own unreachable default route of version 6 is none", () => {
  const zero = "0".repeat(32);
  const rest = `${zero} 00 fd000000000000000000000000000001 00000400 00000002 00000000`;
  const rows = [
    `fd000000000000000000000000000000 40 ${zero} 00 ${zero} 00000100 00000001 00000000 00000001     eth1`,
    `${zero} 00 ${rest} 00000003     eth0`,
    `${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200       lo`,
  ];
  expect(defaultsOf6(rows.join("\n"))).toEqual(["eth0"]);
  expect(defaultsOf6("")).toEqual([]);
});
