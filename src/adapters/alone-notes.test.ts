import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
  const openNotes = (stateDir: string) => openAloneNotes(stateDir, true, () => undefined);
  const end = (one: boolean): unknown => ends.push(one);
  try {
    const notes = openNotes(folder);
    expect(notes.all()).toEqual({ notes: [], unreadable: [] });
    notes.note(note("vm:web", 4), end);
    notes.note(note("vm:web", 5), end);
    notes.note(note("vm:db", 1), end);
    expect(openNotes(folder).all()).toEqual({ notes: [note("vm:db", 1), note("vm:web", 5)], unreadable: [] });
    notes.forget(note("vm:web", 5), end);
    notes.forget(note("vm:gone", 5), end);
    expect(openNotes(folder).all()).toEqual({ notes: [note("vm:db", 1)], unreadable: [] });
    writeFileSync(join(folder, "file"), "");
    openNotes(join(folder, "file")).note(note("vm:web", 4), end);
    expect(ends).toEqual([true, true, true, true, true, false]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("[S23] a note that nobody can read counts as one, for its VM; a folder that nobody can read, for each", () => {
  const folder = mkdtempSync(join(tmpdir(), "hf-alone-"));
  const said: string[] = [];
  const notes = openAloneNotes(folder, false, (code, { vm = "" }) => said.push(`${code} ${vm}`));
  const before = Date.now() - 60_000;
  try {
    mkdirSync(join(folder, "alone"));
    notes.note(note("vm:mail", 2), () => undefined);
    for (const [name, text] of [
      ["vm%3Aweb.json", ""],
      ["vm%3Adb.json", '{"schema":1,"run":{"vm":"vm:other","incarnation":1,"epoch":1},"at":7}'],
      ["vm%3Ahalf.json.new", '{"schema":'],
      ["%E0%.json", "of nobody"],
    ] as const)
      writeFileSync(join(folder, "alone", name), text);
    const found = notes.all();
    expect(found.notes).toEqual([note("vm:mail", 2)]);
    expect(found.unreadable).toMatchObject([{ vm: "vm:db" }, { vm: "vm:web" }]);
    for (const { at } of found.unreadable === "all" ? [] : found.unreadable) expect(at).toBeGreaterThan(before);
    notes.all();
    expect(said).toEqual(["alone-note-unreadable vm:db", "alone-note-unreadable vm:web"]);
    rmSync(join(folder, "alone"), { recursive: true });
    writeFileSync(join(folder, "alone"), "a file in its place");
    expect(notes.all()).toEqual({ notes: [], unreadable: "all" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
