import type { Mutant } from "../mutant.ts";

const file = "guard/holdfast-guard.c";

/** Bugs of the real guard: found by its contract suite on real cgroups, in a lane of their own. */
export const realGuardMutants: readonly Mutant[] = [
  {
    id: "real-guard-deadline-from-the-answer",
    rule: "S3",
    what: "The deadline is counted from the answer to a heartbeat, not from its stamp.",
    file,
    find: "  Instant until = after(stamps[i].at, deadline_ms);",
    replace: "  Instant until = after(now(), deadline_ms);",
  },
  {
    id: "real-guard-thaws-on-a-late-answer",
    rule: "S2",
    what: "An answer whose deadline has passed thaws.",
    file,
    find: '  if (remaining_ns(until) <= 0) return say("late %" PRIu64, s);\n',
    replace: "",
    also: [{ file, find: '  if (left_ns <= 0) return say("late %" PRIu64, s);\n', replace: "" }],
  },
  {
    id: "real-guard-takes-the-order-for-the-deed",
    rule: "S5",
    what: "A freeze counts as verified as soon as it was ordered.",
    file,
    find: '  while (!(verified = fd_holds(events_fd, "frozen 1")) && remaining_ns(end) > 0) sleep_ms(1);\n',
    replace: "  verified = remaining_ns(end) > 0;\n",
  },
  {
    id: "real-guard-takes-a-deadline-of-another-boot",
    rule: "S4",
    what: "A deadline file of an earlier boot, or one that is too far away, permits VMs to run.",
    file,
    find: "  if (strcmp(boot, boot_id) != 0 || strchr(text, '\\n') == NULL) return;",
    replace: "  if (strchr(text, '\\n') == NULL) return;",
  },
  {
    id: "real-guard-leaves-other-incarnations-open",
    rule: "S6",
    what: "The folders of other incarnations are not frozen by their own switch.",
    file,
    find: '    bool done = fits && put_text(path, "1");\n    while (done && !(file_holds(path, "1") && file_holds(events, "frozen 1"))) {',
    replace: '    bool done = fits;\n    while (done && file_holds(path, "2") && file_holds(events, "frozen 1")) {',
  },
  {
    id: "real-guard-keeps-the-stamps-of-another-heart",
    rule: "S3",
    what: "A new connection knows the stamps of the one before.",
    file,
    find: "  forget_stamps(); // a new heart counts its stamps anew\n",
    replace: "",
  },
  {
    id: "real-guard-takes-an-older-incarnation",
    rule: "S1",
    what: "A heart of an earlier incarnation takes the guard back to it.",
    file,
    find: "  if (n < incarnation) {",
    replace: "  if (n + 1000 < incarnation) {",
  },
];
