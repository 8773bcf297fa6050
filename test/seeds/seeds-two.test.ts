import { playSeeds } from "./play-seeds.ts";

// Worlds of two hosts that vote, and of nobody else (S23).
playSeeds(1, 8, "two");
