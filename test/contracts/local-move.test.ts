import { localMoveSuite } from "./local-move-suite.ts";
import { openRealLocalPair } from "./real-local-pair.ts";
import { openWorldLocalPair } from "./world-local-pair.ts";

localMoveSuite("the hypervisor of the simulated world", openWorldLocalPair);
localMoveSuite("QEMU", () => openRealLocalPair());
