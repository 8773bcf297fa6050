import { hypervisorSuite } from "./hypervisor-suite.ts";
import { openRealRig } from "./real-rig.ts";
import { openSimRig } from "./sim-rig.ts";

hypervisorSuite("the simulated hypervisor", () => openSimRig());
hypervisorSuite("QEMU", () => openRealRig());
