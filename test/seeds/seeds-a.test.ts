import { playSeeds } from "./play-seeds.ts";

// Fifty fixed seeds in two files, so that two cores share them.
playSeeds(1, 25);
