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
];
