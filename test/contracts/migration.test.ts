import { migrationSuite } from "./migration-suite.ts";
import { openRealPair } from "./real-pair.ts";

migrationSuite("QEMU", () => openRealPair());
