/** The machine that this process runs on. */
export interface Machine {
  /**
   * Reboots it or switches it off, in its own order. Nothing of it counts in the cluster any more: if it does not happen,
   * the host merely stays away. Returns at once.
   */
  leave(next: "reboot" | "power-off"): void;
}
