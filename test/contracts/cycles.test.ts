import { cyclesSuite } from "./cycles-suite.ts";
import { goingBackSuite } from "./going-back-suite.ts";
import { openRealReplicaPair } from "./real-replica-pair.ts";
import { openSimReplicaPair } from "./sim-replica-pair.ts";

cyclesSuite("the simulated cycles", openSimReplicaPair);
cyclesSuite("QEMU", () => openRealReplicaPair());
goingBackSuite("simulated disks that go back", openSimReplicaPair);
goingBackSuite("disks of QEMU that go back", () => openRealReplicaPair());
