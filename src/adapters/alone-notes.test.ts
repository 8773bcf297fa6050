import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Epoch, Incarnation, VmId, WallMs } from "../model/ids.ts";
import type { AloneNote } from "../ports/alone-notes.ts";
import { openAloneNotes } from "./alone-notes.ts";

const note = (vm: string, epoch: number): AloneNote => ({
  run: { vm: vm as VmId, incarnation: 1 as Incarnation, epoch: epoch as Epoch },
  at: 7 as WallMs,
});

test("[S23] what is noted is there for whoever comes next, until it is forgotten; where it cannot be, that is said", () => {
  const folder = mkdtempSync(join(tmpdir(), "hf-alone-"));
  const ends: boolean[] = [];
  const end = (one: boolean): unknown => ends.push(one);
  try {
    const notes = openAloneNotes(folder);
    expect(notes.all()).toEqual([]);
    notes.note(note("vm:web", 4), end);
    notes.note(note("vm:web", 5), end);
    notes.note(note("vm:db", 1), end);
    expect(openAloneNotes(folder).all()).toEqual([note("vm:db", 1), note("vm:web", 5)]);
    notes.forget(note("vm:web", 5), end);
    notes.forget(note("vm:gone", 5), end);
    expect(openAloneNotes(folder).all()).toEqual([note("vm:db", 1)]);
    writeFileSync(join(folder, "file"), "");
    openAloneNotes(join(folder, "file")).note(note("vm:web", 4), end);
    expect(ends).toEqual([true, true, true, true, true, false]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
