import type { Mutant } from "../mutant.ts";

/** Bugs around what sees who else writes the images of copies: found with real storage daemons. */
export const watchMutants: readonly Mutant[] = [
  {
    id: "own-daemon-taken-for-somebody",
    rule: "S21",
    what: "What the storage daemon writes counts as written by somebody else: each copy is told to be spoilt.",
    file: "guard/holdfast-watch.c",
    find: "  if (isOwn(event->pid)) return;\n",
    replace: "  if (isOwn(event->pid) && ownCount < 0) return;\n",
  },
  {
    id: "next-daemon-taken-for-somebody",
    rule: "S21",
    what: "Only the storage daemon that was there when the watch began counts as one: the next one's writes are an edit.",
    file: "guard/holdfast-watch.c",
    find: "  readOwn();\n  if (isAmongOwn(pid)) return 1;\n  if (!isDaemonHere(pid)) return 0;\n",
    replace: "  if (ownCount > 0 || !isDaemonHere(pid)) return 0;\n",
  },
  {
    id: "note-forgotten-by-the-next-watch",
    rule: "S21",
    what: "What was noted is forgotten when the host of the copies comes back.",
    file: "src/adapters/qemu/replica-watch.ts",
    find: "  rmSync(pidFile(runDir, vm), { force: true });\n",
    replace:
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a piece of source.
      "  rmSync(pidFile(runDir, vm), { force: true });\n  for (const { folder, volume } of received.volumes) rmSync(join(folder, `${volume}.edited`), { force: true });\n",
  },
  {
    id: "blind-watch-says-nothing",
    rule: "S21",
    what: "A watch that cannot see the images is not told: nobody knows that an edit would pass.",
    file: "src/adapters/qemu/replica-watch.ts",
    find: 'if (why === "" && ageMs(logFile(runDir, vm)) < limits.beginsMs) return [];',
    replace: 'if (why !== "" || ageMs(logFile(runDir, vm)) < limits.beginsMs) return [];',
  },
  {
    id: "guest-watched-after-the-end",
    rule: "S21",
    what: "The watch is not ended with the copy: what the guest writes that starts from there is told as an edit.",
    file: "src/adapters/qemu/replica-cease.ts",
    find: "  await endWatch(runDir, vm);\n",
    replace: "  void endWatch;\n",
    also: [
      {
        file: "guard/holdfast-watch.c",
        find: "  if (stat(listPath, &now) != 0) return errno != ENOENT;\n",
        replace: "  if (stat(listPath, &now) != 0) return 1;\n",
      },
      {
        file: "guard/holdfast-watch.c",
        find: "  if (access(listPath, F_OK) != 0 || access(pidsPath, F_OK) != 0) exit(0);\n",
        replace: "",
      },
      {
        file: "guard/holdfast-watch.c",
        find: "  return !isAll || sayThatItLooks(0);\n",
        replace: "  return !isAll || sayThatItLooks(0) || 1;\n",
      },
    ],
  },
];

/** The same, by what is told of it. */
export const watchRuleMutants: readonly Mutant[] = [
  {
    id: "edited-copy-not-told-by-its-group",
    rule: "S21",
    what: "The group of a copy that somebody else wrote does not say so.",
    file: "src/core/copies-watched.ts",
    find: 'id === "copies-edited" && subject === vm',
    replace: 'id === "copies-edited" && subject === host',
  },
  {
    id: "silent-qemu-not-told",
    rule: "S14",
    what: "A run whose QEMU does not answer passes for one that runs.",
    file: "src/agent/silent.ts",
    find: "isSure: now >= later(at, limits.qemuSilentMs)",
    replace: "isSure: now < at",
  },
  {
    id: "silent-qemu-told-of-another-run",
    rule: "S14",
    what: "What a host said of a QEMU is shown for the run that came after it.",
    file: "src/core/silent-qemus.ts",
    find: ' && one.params["epoch"] === owner.epoch',
    replace: "",
  },
  {
    id: "silent-source-ended-while-it-is-handed-over",
    rule: "S15",
    what: "A source whose QEMU does not answer is ended where its VM is to end, although it may just have been handed over.",
    file: "src/agent/moving.ts",
    find: '  if (duty === "let-go-on" && endUnanswered(building, local, moving)) return;',
    replace: '  if (duty !== "keep" && endUnanswered(building, local, moving)) return;',
    also: [
      {
        file: "src/agent/letting-go-on.ts",
        find: " && isFree && isNamed(view, self, local.run)) {",
        replace: " && isFree) {",
      },
    ],
  },
];
