import type { Mutant } from "../mutant.ts";

const asserted = {
  file: "src/core/ownership.ts",
  find: "  const isThere = lies === undefined || lies === to || hostsWithCopies(view, id).includes(to);",
  replace: "  const isThere = lies !== to || hostsWithCopies(view, id).includes(to) || lies === to;",
};

/** Bugs of live moves between local pools, found by stories and checkers. */
export const localMoveMutants: readonly Mutant[] = [
  {
    id: "owner-changed-before-the-disks-are-whole",
    rule: "S15",
    what: "A source hands its VM over while its disks are still being copied.",
    file: "src/agent/moving.ts",
    find: 'else if (moving.stage === "ready" && !building.busy(vm) && isConfirmed(',
    replace:
      'else if ((moving.stage === "ready" || copiedDisks(view, move.value).copied !== undefined) && !building.busy(vm) && isConfirmed(',
  },
  {
    id: "move-of-disks-that-stay-never-ends",
    rule: "HM1",
    what: "The move of a VM whose guest ended before it could take its disks along goes on while it can start nowhere.",
    file: "src/core/decide-moves.ts",
    find: " && !(staysThere && round.isOnlySaid(id))) continue;",
    replace: ") continue;",
  },
  {
    id: "local-vm-remembered-as-staying",
    rule: "PL2",
    what: "That a VM with disks of its own host stays, since its guest did not run, is remembered once it runs.",
    file: "src/core/decide-rule-moves.ts",
    find: "if (!round.hasPlaced() && liesOn(round.view, vm) === undefined) unmoved",
    replace: "if (!round.hasPlaced()) unmoved",
  },
  {
    id: "old-disks-given-up-at-the-hand-over",
    rule: "S15",
    what: "The disks that a VM moves away from are given up with the hand-over, before anybody saw it live with the new ones.",
    file: "src/core/local-copies.ts",
    find: 'const state: ReplicaState = { kind: "stale", cause: "moved", whole: true, at };',
    replace: 'const state: ReplicaState = { kind: "surplus", at };',
  },
  {
    id: "kept-disks-taken-for-the-vm",
    rule: "S15",
    what: "The old disks of a VM that moved away count as a place where it can be started.",
    file: "src/core/placement/local-volumes.ts",
    find: "  if (isAt(local, host)) return undefined;",
    replace: "  if (isAt(local, host) || needs === undefined) return undefined;",
    also: [asserted],
  },
  {
    id: "image-removed-before-it-is-given-up",
    rule: "S15",
    what: "A target removes the image of a move that ended without recording first that it is none any more.",
    file: "src/agent/old-images.ts",
    find: '    if (image.kind === "orphan") {',
    replace: '    if (image.kind === "orphan" && building.busy(image.key)) {',
  },
  {
    id: "image-of-an-earlier-move-taken",
    rule: "S15",
    what: "A target goes on with the record of an image that an earlier move of the same run left.",
    file: "src/agent/old-images.ts",
    find: "  if (arriving.get(vm) === move.revision && isArriving(view, move.value)) return true;",
    replace: "  if (isArriving(view, move.value)) return true;",
  },
  {
    id: "place-not-given-back",
    rule: "S15",
    what: "A VM that is given back to its source leaves the records as they were: its disks there stay what was kept.",
    file: "src/core/local-copies.ts",
    find: "      ...kept.flatMap(({ key, record }) => (record === undefined ? [] : [remove(key)])),",
    replace: "",
  },
];

/** Bugs of the driver, found by its contract with real QEMUs. Needs root. */
export const moveDriverMutants: readonly Mutant[] = [
  {
    id: "done-before-the-mirror-ended",
    rule: "S15",
    what: "The driver says that all is at the target while its disks are still being mirrored.",
    file: "src/adapters/qemu/move-out.ts",
    find: "  return mirroring === undefined ? ready : (ending ?? endMirrors(live, mirroring, over.signal));",
    replace: "  return ready;",
    also: [
      {
        file: "src/adapters/qemu/move-out.ts",
        find: "stoppedAt > 0 && mirroring !== undefined ? endMirrors(",
        replace: "stoppedAt < 0 && mirroring !== undefined ? endMirrors(",
      },
    ],
  },
  {
    id: "image-there-taken-for-a-copy",
    rule: "S15",
    what: "A target takes an image that it finds for the one that it is to make.",
    file: "src/adapters/qemu/move-images.ts",
    find: "  if (existsSync(path)) return refused(",
    replace: '  if (existsSync(String(path).concat(".never"))) return refused(',
  },
  {
    id: "silent-target-waited-for",
    rule: "S15",
    what: "A guest stands still for as long as a target that took its connection says nothing.",
    file: "src/adapters/qemu/move-out.ts",
    find: 'if (isStuck() && (await hangUp(live, isStuck)).kind === "ended") stalled ??=',
    replace: "if (isStuck() && silentMs < 0) stalled ??=",
  },
  {
    id: "silent-target-keeps-what-was-called-off",
    rule: "S15",
    what: "A move that is called off waits for a target that took its connection and says nothing.",
    file: "src/adapters/qemu/move-hang-up.ts",
    find: '  if (!mayWait(live)) return { silent: "it does not answer" };\n  const end',
    replace: '  if (mayWait.length > 0) return { silent: "it does not answer" };\n  const end',
  },
  {
    id: "silent-target-only-of-a-driver-that-saw-it",
    rule: "S15",
    what: "A driver that is new to a guest whose QEMU waits for a silent target lets it wait, as it cannot speak with it.",
    file: "src/adapters/qemu/move-hang-up.ts",
    find: "  return events?.populated === true && !events.frozen;",
    replace: "  return events?.populated === true && !events.frozen && arguments[0].qmp !== undefined;",
  },
  {
    id: "target-gone-in-the-handshake-waited-for",
    rule: "S15",
    what: "A disk is opened at the target without a limit of QEMU's own: where it is gone in the midst of the handshake QEMU waits for itself.",
    file: "src/adapters/qemu/move-disks.ts",
    find: '      "open-timeout": limits.openSeconds,\n',
    replace: "",
  },
  {
    id: "unreadable-disk-copied-with-holes",
    rule: "S15",
    what: "What cannot be read of a disk that is copied is left out, and the guest goes on at the target without it.",
    file: "src/adapters/qemu/move-disks.ts",
    find: '"on-source-error": "report"',
    replace: '"on-source-error": "ignore"',
  },
  {
    id: "disk-failed-on-the-way-left-standing",
    rule: "S15",
    what: "A guest whose own disk fails while it is copied stands for as long as that takes, untold and untried.",
    file: "src/adapters/qemu/watch.ts",
    find: 'else if (live.phase === "leaving") void failedOnItsWay(host, live);',
    replace: 'else if (live.phase === "halted") void failedOnItsWay(host, live);',
  },
  {
    id: "let-go-on-while-its-memory-is-copied",
    rule: "S15",
    what: "A guest whose disk had failed is let go on while it stands to have its memory copied: the target misses what it does then.",
    file: "src/adapters/qemu/watch.ts",
    find: "    if (live.ending || live.stoppedToMove) break;",
    replace: "    if (live.ending) break;",
  },
  {
    id: "copy-let-go-over-a-cut-link",
    rule: "S15",
    what: "QEMU lets go of a copy that was broken off over a link that is cut, and stands still with its guest until it is answered.",
    file: "src/adapters/qemu/move-disks.ts",
    find: "  await yankEach(live, nodes.map(diskOf));",
    replace: "",
  },
];
