import { hypervisorSuite } from "./hypervisor-suite.ts";
import { openRealRig } from "./real-rig.ts";
import { openSimRig } from "./sim-rig.ts";
import { openWorldRig } from "./world-pair.ts";

hypervisorSuite("the simulated hypervisor", () => openSimRig());
hypervisorSuite("the hypervisor of the simulated world", openWorldRig);
hypervisorSuite("QEMU", () => openRealRig());
