export const failoverFaults = [
  "power-off",
  "cut",
  "one-way-cut",
  "freeze-heart",
  "freeze-host",
  "kill-store-leader-host",
  "qemu-crash",
] as const;
export type FailoverFault = (typeof failoverFaults)[number];
export const faultKinds = [...failoverFaults, "network-outage"] as const;
export type FaultKind = (typeof faultKinds)[number];

/** After these the old copy is still there and must be frozen in time; after the others nothing of it can run. */
export const leavesCopy: Readonly<Record<FailoverFault, boolean>> = {
  "power-off": false,
  cut: true,
  "one-way-cut": true,
  "freeze-heart": true,
  "freeze-host": false,
  "kill-store-leader-host": false,
  "qemu-crash": false,
};
