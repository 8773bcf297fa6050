import { openRealReplicaPair } from "./real-replica-pair.ts";
import { replicationSuite } from "./replication-suite.ts";

replicationSuite("QEMU", () => openRealReplicaPair());
