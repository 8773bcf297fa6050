import { pointsSuite } from "./points-suite.ts";
import { openRealReplicaPair } from "./real-replica-pair.ts";
import { openSimReplicaPair } from "./sim-replica-pair.ts";

pointsSuite("simulated recovery points", openSimReplicaPair);
pointsSuite("recovery points of QEMU", () => openRealReplicaPair());
