import { openRealReplicaPair } from "./real-replica-pair.ts";
import { replicationSuite } from "./replication-suite.ts";
import { openSimReplicaPair } from "./sim-replica-pair.ts";

replicationSuite("the simulated replication", openSimReplicaPair);
replicationSuite("QEMU", () => openRealReplicaPair());
