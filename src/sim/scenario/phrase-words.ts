import { shutdownPolicySchema } from "../../model/policy.ts";
import { vmLockKindSchema } from "../../model/records.ts";
import type { StoryCluster } from "./scenario.ts";

/**
 * What may stand behind `at 20s`. Words in capitals are replaced: HOST and VM by names of the cluster, PROCESS by agent,
 * heart, guard-a or guard-b, RECORD by what kind of record, WORK by the kind of a lock, POLICY by a shutdown policy, TIME by a length of time, PPM and NAME as they say.
 */
export const phrases = [
  "cut HOST",
  "cut HOST out",
  "cut HOST in",
  "cut link HOST HOST",
  "cut link HOST HOST one-way",
  "cut network",
  "slow network of HOST by TIME",
  "reorder messages by TIME",
  "freeze HOST",
  "power off HOST",
  "power off all",
  "power on HOST",
  "power on all",
  "stop PROCESS of HOST",
  "kill PROCESS of HOST",
  "kill PROCESS of HOST with its file",
  "kill whoever next writes RECORD",
  "clock of HOST drifts by PPM",
  "wall clock of HOST jumps by TIME",
  "store leader changes",
  "store is full",
  "store is unavailable",
  "store member of HOST is down",
  "lose answers to HOST",
  "watch of HOST lags by TIME",
  "watch of HOST has a gap",
  "crash VM",
  "panic VM",
  "shut down VM from inside",
  "keep VM from dying",
  "fail the disk of VM",
  "starts on HOST fail",
  "starts on HOST are slow",
  "writes of HOST are late",
  "device of HOST is slow by TIME",
  "device of HOST is unreachable",
  "device of HOST ignores orders",
  "device of HOST is removed",
  "order start VM",
  "order stop VM",
  "order reset VM",
  "order delete VM",
  "order disable VM",
  "order ignore VM",
  "order migrate VM to HOST",
  "order relocate VM to HOST",
  "order stop VM within TIME",
  "order enable VM",
  "lock VM with WORK",
  "unlock VM",
  "maintenance of HOST begins",
  "maintenance of HOST ends",
  "order reboot of HOST",
  "order shutdown of HOST",
  "order agent restart of HOST",
  "shutdown policy is POLICY",
  "disarm freeze",
  "disarm ignore",
  "arm",
  "second machine registers as HOST",
] as const;
export type PhraseId = (typeof phrases)[number];

export type PhraseArgs = {
  readonly hosts: readonly string[];
  readonly vm: string;
  readonly process: string;
  readonly record: string;
  readonly work: string;
  readonly value: number;
};
export type FoundPhrase = { readonly id: PhraseId; readonly args: PhraseArgs };

export const processWords = ["agent", "heart", "guard-a", "guard-b"] as const;
export const recordWords = ["owner", "fence", "term", "registration", "status"] as const;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000 };

/** `20s`, `1.5s`, `10min`, `500ms` in milliseconds; undefined: it is none. */
export function parseMs(text: string): number | undefined {
  const [, amount, unit] = /^(-?\d+(?:\.\d+)?)(ms|s|min)$/u.exec(text) ?? [];
  const factor = unit === undefined ? undefined : unitMs[unit];
  return amount === undefined || factor === undefined ? undefined : Number(amount) * factor;
}

/** The phrase that the words are, or what is wrong with them. */
export function findPhrase(words: readonly string[], cluster: StoryCluster): FoundPhrase | string {
  let closest: string | undefined;
  for (const id of phrases) {
    const pattern = id.split(" ");
    if (pattern.length !== words.length) continue;
    const args = { hosts: [] as string[], vm: "", process: "", record: "", work: "", value: 0 };
    let problem: string | undefined;
    const fits = pattern.every((slot, i) => {
      const word = words[i] ?? "";
      if (!/^[A-Z]+$/u.test(slot)) return slot === word;
      problem ??= fill(args, slot, word, cluster);
      return true;
    });
    if (fits && problem === undefined) return { id, args };
    if (fits) closest ??= problem;
  }
  return closest ?? `nobody knows how to: ${words.join(" ")}`;
}

function fill(
  args: { hosts: string[]; vm: string; process: string; record: string; work: string; value: number },
  slot: string,
  word: string,
  cluster: StoryCluster,
): string | undefined {
  switch (slot) {
    case "HOST": {
      args.hosts.push(word);
      const number = Number(/^h([1-9])$/u.exec(word)?.[1] ?? 0);
      return number > 0 && number <= cluster.hosts ? undefined : `there is no host ${word}`;
    }
    case "VM":
      args.vm = word;
      return cluster.vms.some((vm) => vm.name === word) ? undefined : `there is no VM ${word}`;
    case "PROCESS":
      args.process = word;
      return processWords.some((one) => one === word) ? undefined : `${word} is none of ${processWords.join(", ")}`;
    case "RECORD":
      args.record = word;
      return recordWords.some((one) => one === word) ? undefined : `${word} is none of ${recordWords.join(", ")}`;
    case "WORK":
      args.work = word;
      return vmLockKindSchema.options.some((one) => one === word) ? undefined : `no lock is of the kind ${word}`;
    case "POLICY":
      args.work = word;
      return shutdownPolicySchema.options.some((one) => one === word) ? undefined : `${word} is no shutdown policy`;
    case "PPM": {
      const ppm = Number(/^(-?\d+)ppm$/u.exec(word)?.[1] ?? Number.NaN);
      args.value = ppm;
      return Number.isNaN(ppm) ? `${word} is no drift like 500ppm` : undefined;
    }
    default: {
      const ms = parseMs(word);
      args.value = ms ?? 0;
      return ms === undefined ? `${word} is no length of time: 20s, 1.5s, 10min or 500ms` : undefined;
    }
  }
}
