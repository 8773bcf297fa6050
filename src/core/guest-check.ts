import type { Check } from "../model/reason.ts";
import type { GuestHealth } from "../ports/migration.ts";

/** What is wrong with a guest after its move, beyond what QEMU says of the move itself. Empty: nothing that could be seen. */
export function guestChecks(vm: { readonly id: string; readonly name: string }, health: GuestHealth): readonly Check[] {
  const params = { vm: vm.name };
  if (!health.executes) return [{ id: "guest-stands-after-move", subject: vm.id, level: "fail", params }];
  if (health.agent === "silent") return [{ id: "guest-agent-silent", subject: vm.id, level: "warn", params }];
  return [];
}
