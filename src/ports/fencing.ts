import type { FenceDevice } from "../model/records.ts";

/** `off` only where a separate status call said so after the command (S9); everything else is not fenced. */
export type PowerOffEnd =
  | { readonly kind: "off" }
  | { readonly kind: "refused"; readonly cause: string }
  | { readonly kind: "unknown"; readonly cause: string };

export type PowerStatusEnd =
  | { readonly kind: "on" }
  | { readonly kind: "off" }
  | { readonly kind: "unknown"; readonly cause: string };

/** Devices that cut a host's power. Each call ends within 30 s. */
export interface Fencing {
  powerOff(device: FenceDevice, done: (end: PowerOffEnd) => void): void;
  status(device: FenceDevice, done: (end: PowerStatusEnd) => void): void;
}
