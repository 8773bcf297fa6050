import { localMoveSuite } from "./local-move-suite.ts";
import { openRealLocalPair } from "./real-local-pair.ts";

localMoveSuite("QEMU", () => openRealLocalPair());
