import { openRealReplicaPair } from "./real-replica-pair.ts";
import { replicationRelaySuite } from "./replication-relay-suite.ts";
import { replicationSuite } from "./replication-suite.ts";
import { openSimReplicaPair } from "./sim-replica-pair.ts";

for (const suite of [replicationSuite, replicationRelaySuite]) {
  suite("the simulated replication", openSimReplicaPair);
  suite("QEMU", () => openRealReplicaPair());
}
