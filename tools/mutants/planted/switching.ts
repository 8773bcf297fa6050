import type { Mutant } from "../mutant.ts";

/** Bugs of those who move a VM to the host of its copies while it runs. */
export const switchingMutants: readonly Mutant[] = [
  {
    id: "handed-over-to-a-stale-copy",
    rule: "S15",
    what: "A guest changes hands although its copy was left behind while its memory was sent.",
    file: "src/core/switchover.ts",
    find: "  if (epoch === null || taken.length === 0 || !inSync) return",
    replace: "  if (epoch === null || taken.length === 0 || inSync === undefined) return",
    also: [
      {
        file: "src/agent/switching.ts",
        find: '  if (!isInSync(building.happened.view, run.vm, move.to) || mirror?.ended !== false) return "behind";\n',
        replace: '  if (mirror?.ended !== false) return "behind";\n',
      },
      {
        file: "src/agent/switching.ts",
        find: '  if (mirror.told === "alone") return "behind";\n',
        replace:
          '  if (mirror.told === "alone" || isInSync(building.happened.view, run.vm, move.to)) return "ready";\n',
      },
      {
        file: "src/agent/switching.ts",
        find: "  if (move.value.live?.onCopies !== true) return true;\n",
        replace: "  if (move.value.live !== undefined) return true;\n",
      },
    ],
  },
  {
    id: "old-image-in-sync-with-the-new-run",
    rule: "S17",
    what: "What a guest leaves behind is recorded as in sync with its next run, which writes without it.",
    file: "src/core/switchover.ts",
    find: '  const handed: ReplicaState = { kind: "stale", cause: "handed", whole: true, at };',
    replace:
      '  const handed: ReplicaState = at < 0 ? { kind: "stale", cause: "handed", whole: true, at } : { kind: "in-sync" };',
  },
  {
    id: "old-image-promoted-by-itself",
    rule: "S17",
    what: "An image that was whole when its guest left it counts as one from which nothing is missing.",
    file: "src/core/replication-usable.ts",
    find: '      if (!state.whole) return { kind: "unusable", code: "replica-incomplete" };',
    replace: '      if (state.cause === "handed") return { kind: "whole" };',
  },
  {
    id: "relay-let-go-before-the-commit",
    rule: "S16",
    what: "The source takes its mirror apart as soon as its guest stands still, before anybody else owns it.",
    file: "src/agent/switching.ts",
    find: '  else building.effects.push({ kind: "confirm", op: building.op({ kind: "confirm", runKey: key }), run });',
    replace: '  else building.effects.push({ kind: "detach", op: building.op({ kind: "detach", runKey: key }), run });',
  },
  {
    id: "writes-of-a-guest-that-leaves-wait-for-ever",
    rule: "S16",
    what: "While a guest is being moved nobody looks whether its copy still answers.",
    file: "src/agent/mirroring.ts",
    find: '    const isLeaving = phase === "moving" && moving?.part === "leaving";',
    replace: '    const isLeaving = phase === "moving" && moving?.part === "handed";',
  },
  {
    id: "storage-not-replaced-for-a-guest-that-comes",
    rule: "S19",
    what: "A host at which a guest is to arrive receives its disks no more as soon as a QEMU waits there.",
    file: "src/agent/receiving.ts",
    find: 'if (run.vm === vm && phase !== "gone" && moving?.part !== "incoming") return true;',
    replace: 'if (run.vm === vm && phase !== "gone" && moving?.part !== "leaving") return true;',
  },
];
