import { createHash } from "node:crypto";
import { runCommand } from "./command.ts";

export type Tap = { readonly name: string; readonly bridge: string };
export type TapEnd =
  | { readonly kind: "done" }
  | { readonly kind: "bridge-missing"; readonly bridge: string }
  | { readonly kind: "failed"; readonly detail: string };

const limitMs = 5_000;

/** An interface name has at most 15 characters; `subject` names the run and the NIC. */
export function tapName(subject: string): string {
  return `hf${createHash("sha256").update(subject).digest("hex").slice(0, 12)}`;
}

/** Makes the taps and puts each into its bridge, with one call of `ip`. Leaves none behind where it fails. */
export async function makeTaps(taps: readonly Tap[]): Promise<TapEnd> {
  if (taps.length === 0) return { kind: "done" };
  const lines = taps.flatMap((tap) => [
    `tuntap add dev ${tap.name} mode tap vnet_hdr`,
    `link set dev ${tap.name} master ${tap.bridge} up`,
  ]);
  const end = await runCommand("ip", ["-batch", "-"], { limitMs, input: `${lines.join("\n")}\n` });
  if (end.status === 0) return { kind: "done" };
  await removeTaps(taps.map((tap) => tap.name));
  const bridge = /argument "([^"]+)" is wrong: Device does not exist/u.exec(end.stderr)?.[1];
  if (bridge !== undefined) return { kind: "bridge-missing", bridge };
  return { kind: "failed", detail: end.stderr.trim() || "ip did not answer" };
}

/** Removes what there is of them; those that are gone already do no harm. */
export async function removeTaps(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const input = `${names.map((name) => `link delete dev ${name}`).join("\n")}\n`;
  await runCommand("ip", ["-force", "-batch", "-"], { limitMs, input });
}
