import { cyclesSuite } from "./cycles-suite.ts";
import { openRealReplicaPair } from "./real-replica-pair.ts";
import { openSimReplicaPair } from "./sim-replica-pair.ts";

cyclesSuite("the simulated cycles", openSimReplicaPair);
cyclesSuite("QEMU", () => openRealReplicaPair());
