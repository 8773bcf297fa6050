import { RealGuards } from "../support/real-guards.ts";
import { guardContract } from "./guard-suite.ts";

guardContract("guard, real", () => new RealGuards());
