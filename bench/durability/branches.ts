import { randomUUID } from "node:crypto";
import { type TestLab, type TestVm, waitFor } from "../../test/support/lab-cluster.ts";

/** As an admin does now and then: each lost host leaves its old disks as a branch, and a hundred of them fill any pool. */
const keptMax = 6;

/** Gives up the oldest. Ends once they are gone from the list; throws where one of them is refused. */
export async function tidyBranches(lab: TestLab, vm: TestVm): Promise<void> {
  const branches = await branchesOf(lab, vm);
  for (const { id } of branches.slice(0, Math.max(0, branches.length - keptMax))) {
    const input = { vm: vm.id, point: id, among: "branches", requestId: randomUUID() } as const;
    const { wish } = await lab.client().point.drop(input);
    const end = await waitFor(`branch ${id} to be given up`, async () => {
      const told = await lab.client().point.wish({ wish });
      return told.state === "open" ? undefined : told;
    });
    if (end.state === "refused") throw new Error(`Branch ${id} is not given up: ${JSON.stringify(end.trouble)}`);
  }
}

async function branchesOf(lab: TestLab, vm: TestVm) {
  const { points } = await lab.client().point.list({ vm: vm.id });
  return points.filter(({ origin }) => origin.startsWith("branch"));
}
