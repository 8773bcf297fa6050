import type { World } from "../world/world.ts";
import type { Checker, Fail } from "./checker.ts";

/** A checker before it has a world to watch. */
export type CheckerKind = { readonly rule: string; readonly make: (world: World, fail: Fail) => Omit<Checker, "rule"> };
