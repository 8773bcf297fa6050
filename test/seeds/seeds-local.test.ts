import { playSeeds } from "./play-seeds.ts";

// Worlds where half of the VMs take their disks along when they move (S15).
playSeeds(1, 8, "local");
