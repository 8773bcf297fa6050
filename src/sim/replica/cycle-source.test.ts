import { expect, test } from "vitest";
import { cyclesOf } from "../../../test/contracts/cycles-calls.ts";
import { run4 } from "../../../test/contracts/replication-calls.ts";
import { openSimReplicaPair } from "../../../test/contracts/sim-replica-pair.ts";

test("[S25] a cycle that the target has no room for breaks off; the next one has all of it once there is", async () => {
  const rig = await openSimReplicaPair();
  const { doorsFor, cycle, sealed, write, atPoint, last } = cyclesOf(() => rig);
  await rig.startRun(run4);
  const doors = await doorsFor();
  const first = await sealed(doors);
  await write(0, 3, 7);
  rig.fillTarget(true);
  expect(await cycle(doors)).toMatchObject({ kind: "broken", code: "cycle-broken" });
  expect(await last()).toEqual(first.cycle);
  rig.fillTarget(false);
  const next = await sealed(doors);
  expect(await atPoint(next.cycle.point, 3)).toEqual([7, 0]);
  await rig.close();
});
