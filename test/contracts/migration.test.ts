import { migrationSuite } from "./migration-suite.ts";
import { openRealPair } from "./real-pair.ts";
import { openSimPair } from "./sim-pair.ts";
import { openWorldPair } from "./world-pair.ts";

migrationSuite("the simulated hypervisor", openSimPair);
migrationSuite("the hypervisor of the simulated world", openWorldPair);
migrationSuite("QEMU", () => openRealPair());
