import type { Command } from "@commander-js/extra-typings";
import { Option } from "@commander-js/extra-typings";
import { durationOrNever, type KeepOption, keepRules } from "../durations.ts";
import { fail } from "../trouble.ts";
import { checksOf } from "./point-checks.ts";

type PointOptions = {
  readonly pointsEvery?: number | undefined;
  readonly keep?: KeepOption | undefined;
  readonly consistency?: "crash" | "application" | undefined;
  readonly testEvery?: number | undefined;
  readonly testHttp?: string | undefined;
  readonly testHttpAddress?: string | undefined;
  readonly testAgent?: true | undefined;
  readonly testScreen?: true | undefined;
};
const testLimitMs = 180_000;

/** When a group's VMs get recovery points, how long those stay, and how they are tested. */
export function withPoints<A extends unknown[], O extends Record<string, unknown>, G extends Record<string, unknown>>(
  command: Command<A, O, G>,
): Command<A, O & PointOptions, G> {
  const more = command
    .option(
      "--points-every <time>",
      "a recovery point of each VM in this time, such as 15m; never: by hand alone",
      durationOrNever,
    )
    .option(
      "--keep <rules>",
      "how many stay: 24x1h,7x1d is one of each of 24 hours and of 7 days; none: the newest",
      keepRules,
    )
    .addOption(
      new Option("--consistency <kind>", "application: guests bring their file systems in order first").choices([
        "crash",
        "application",
      ] as const),
    )
    .option(
      "--test-every <time>",
      "a test failover of each VM's newest point in this time, such as 1d; or never",
      durationOrNever,
    )
    .option("--test-http <path>", "in such a test the guest answers HTTP there, at port 80")
    .option("--test-http-address <address>", "with this address of its own, such as 10.0.0.5/24")
    .option("--test-agent", "in such a test its guest agent answers")
    .option("--test-screen", "in such a test its screen is not of one colour");
  // Named: to write down what these options infer takes the compiler minutes.
  return more as unknown as Command<A, O & PointOptions, G>;
}

export function pointsOf({ pointsEvery, keep, consistency, testEvery, ...test }: PointOptions) {
  const wantsTest = test.testHttp !== undefined || test.testAgent === true || test.testScreen === true;
  if ((testEvery ?? 0) === 0 && wantsTest) throw fail("point-test-without-time", {}, 1);
  const checks = checksOf({
    ...{ http: test.testHttp, httpAddress: test.testHttpAddress },
    ...{ agent: test.testAgent, screen: test.testScreen },
  });
  const points = {
    ...(pointsEvery === undefined ? {} : { everyMs: pointsEvery === 0 ? null : pointsEvery }),
    ...(keep === undefined ? {} : { keep }),
    ...(consistency === undefined ? {} : { consistency }),
    ...(testEvery === undefined
      ? {}
      : { test: testEvery === 0 ? null : { everyMs: testEvery, checks, limitMs: testLimitMs } }),
  };
  return Object.keys(points).length === 0 ? {} : { points };
}
