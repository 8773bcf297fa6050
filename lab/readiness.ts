import { createServer } from "node:net";
import type { AccelChoice } from "../src/adapters/qemu/accel.ts";
import { render } from "../src/model/messages/index.ts";
import { LabError } from "./lab-error.ts";
import { portTrouble } from "./reach.ts";

// What is known to be in vain is refused before anything is started.

/** A port of 127.0.0.1 that is to be opened later; 0: any. Throws `LabError` where that would fail. */
export async function checkPort(port: number): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(portTrouble(port, error)));
    server.listen(port, "127.0.0.1", resolve);
  });
  await new Promise((resolve) => server.close(resolve));
}

/** The demonstration ends a host for good; with fewer than three the store has no majority then. */
export function checkDemo(hosts: number): void {
  if (hosts >= 3) return;
  throw new LabError(
    `A demonstration with ${hosts === 1 ? "1 host" : `${hosts} hosts`} would fail: nobody could take the VM over.`,
    "Nothing was started.",
    "Give --hosts 3 or more, or leave it out.",
  );
}

/** What `hosts` on one machine may promise their VMs each: a share of its memory, less what a host needs itself. */
export function memoryShareMiB(machineMiB: number, hosts: number, reserveMiB: number): number {
  return Math.max(256, Math.floor(machineMiB / hosts) - reserveMiB);
}

/** What is worth a line about the accelerator; undefined: VMs run under KVM, or as somebody wants them to. */
export function accelLine({ accel, code }: AccelChoice, ordered: boolean): string | undefined {
  if (code === "accel-kvm-proven" || code === "accel-ordered") return undefined;
  const { cause, effect } = render(code, {});
  if (ordered) return `Warning: KVM was ordered, but ${lower(cause)} VMs may hang.`;
  return code === "accel-kvm-hangs"
    ? `KVM: /dev/kvm exists, but ${lower(cause)} Emulation is used (${accel}), many times slower.`
    : `KVM: ${cause} ${effect ?? ""}`;
}

function lower(sentence: string): string {
  return `${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}`;
}
