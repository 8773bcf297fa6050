import type { Mutant } from "../mutant.ts";

/** Bugs of hosts that leave the cluster for good. */
export const removalMutants: readonly Mutant[] = [
  {
    id: "removed-host-registers-again",
    rule: "HM7",
    what: "The heart of a removed host takes the record of its removal for leave to register.",
    file: "src/heart/looking.ts",
    find: "takenBack !== null && takenBack.value.takenBackAt === null",
    replace: "takenBack !== null && takenBack.value.takenBackAt === 0",
  },
  {
    id: "removed-although-it-beats",
    rule: "HM7",
    what: "A host is removed without any proof that it is off.",
    file: "src/core/requests/remove-host.ts",
    find: '  if (fence === undefined) return refuse("host-remove-not-off", { host });\n',
    replace: "  if (fence === undefined) return undefined;\n",
  },
  {
    id: "removed-although-it-holds-a-vm",
    rule: "HM7",
    what: "A host that is fenced is removed although a VM of it waits for a better proof.",
    file: "src/core/requests/remove-host.ts",
    find: '  if (ties.held.length > 0) return refuse("host-remove-holds-vms", { host, vms: someOf(ties.held) });\n',
    replace: "",
  },
  {
    id: "taken-back-as-its-first-life",
    rule: "HM7",
    what: "A host that was removed and taken back counts its lives from one again.",
    file: "src/heart/registering.ts",
    find: "evidence.takenBack?.value.incarnation ?? 0",
    replace: "0 * (evidence.takenBack?.value.incarnation ?? 0)",
  },
  {
    id: "removal-forgets-its-registration",
    rule: "HM7",
    what: "A host is no member any more, but what it registered stays.",
    file: "src/core/requests/remove-host.ts",
    find: "    [keys.host(id), registration],\n    [keys.fenceDevice(id), device],\n",
    replace: "    [keys.fenceDevice(id), device],\n",
  },
];
