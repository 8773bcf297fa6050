import type { GuestCpu } from "../../model/host-records.ts";

/** Processors of simulated hosts: `old` lacks what `new` has, `other` is of another maker. */
export type SimCpu = "new" | "old" | "other";

const flags = ["aes", "avx2"];

export const simCpus: Readonly<Record<SimCpu, GuestCpu>> = {
  new: { vendor: "GenuineIntel", flags, models: { "Haswell-noTSX": [], Westmere: [], EPYC: ["svm"], qemu64: [] } },
  old: {
    vendor: "GenuineIntel",
    flags: ["aes"],
    models: { "Haswell-noTSX": ["avx2"], Westmere: [], EPYC: ["svm"], qemu64: [] },
  },
  other: { vendor: "AuthenticAMD", flags, models: { "Haswell-noTSX": ["ss"], Westmere: ["ss"], EPYC: [], qemu64: [] } },
};

export function isSimCpu(text: string): text is SimCpu {
  return Object.hasOwn(simCpus, text);
}
