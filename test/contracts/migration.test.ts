import { migrationSuite } from "./migration-suite.ts";
import { openRealPair } from "./real-pair.ts";
import { openSimPair } from "./sim-pair.ts";

migrationSuite("the simulated hypervisor", openSimPair);
migrationSuite("QEMU", () => openRealPair());
