import { shutdownPolicySchema } from "../../model/policy.ts";
import { vmLockKindSchema } from "../../model/records.ts";
import type { StoryCluster } from "./scenario.ts";

/**
 * What may stand behind `at 20s`. Words in capitals are replaced: HOST and VM by names of the cluster, PROCESS by agent,
 * heart, guard-a or guard-b, RECORD by what kind of record, WORK by the kind of a lock, POLICY by a shutdown policy, TIME by
 * a length of time, RULE by a name, VMS by names with commas between them, HOSTS by hosts with their priorities
 * (h1:2,h2:1), PPM and NAME as they say.
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
  "double messages by TIME",
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
  "crash VM on HOST",
  "hang VM on HOST",
  "somebody's image has the name of the disk of VM on HOST",
  "crash VM on HOST at its hand-over",
  "keep VM on HOST from dying at its hand-over",
  "freeze HOST at the hand-over of VM",
  "kill agent of HOST at the hand-over of VM",
  "stop agent of HOST at the hand-over of VM",
  "kill agent of HOST as VM arrives",
  "power off HOST at the hand-over of VM",
  "power off HOST once VM goes on elsewhere",
  "cut link HOST HOST once VM goes on elsewhere",
  "cut link HOST HOST at the hand-over of VM",
  "lock VM with WORK as it is handed over",
  "order stop VM as it is handed over",
  "cancel move of VM",
  "panic VM",
  "shut down VM from inside",
  "keep VM from dying",
  "fail the disk of VM",
  "starts on HOST fail",
  "starts on HOST are slow",
  "monitors on HOST answer late",
  "writes of HOST are late",
  "freezes of HOST stick",
  "thaws of HOST fail",
  "sensors of HOST are blind",
  "device of HOST is slow by TIME",
  "device of HOST is unreachable",
  "device of HOST ignores orders",
  "device of HOST is removed",
  "device of HOST lies",
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
  "quarantine of HOST begins",
  "quarantine of HOST ends",
  "rule add RULE VMS prefer HOSTS",
  "rule add RULE VMS strict HOSTS",
  "rule add RULE VMS together",
  "rule add RULE VMS apart",
  "rule remove RULE",
  "rule enable RULE",
  "rule disable RULE",
  "rule set RULE with VM",
  "rule set RULE without VM",
  "order reboot of HOST",
  "order shutdown of HOST",
  "order agent restart of HOST",
  "release HOST",
  "order remove HOST",
  "order join HOST",
  "shutdown policy is POLICY",
  "kill relay of VM",
  "kill copies of VM on HOST",
  "hang copies of VM on HOST",
  "fill copies on HOST",
  "group pause RULE",
  "group resume RULE",
  "group resume by hand RULE",
  "group delete RULE",
  "group delete RULE with its copies",
  "accept the loss of VM on HOST",
  "go back with VM on HOST",
  "go back with running VM on HOST",
  "group set RULE every TIME",
  "group set RULE to each write",
  "points of RULE every TIME",
  "point take VM",
  "point drop VM",
  "point export VM",
  "point test VM",
  "disarm freeze",
  "disarm ignore",
  "arm",
  "second machine registers as HOST",
  "take over at HOST",
  "stop agent of HOST in the midst of its takeover",
  "power off HOST in the midst of its takeover",
] as const;
export type PhraseId = (typeof phrases)[number];

export type PhraseArgs = {
  readonly hosts: readonly string[];
  readonly vm: string;
  readonly process: string;
  readonly record: string;
  readonly work: string;
  readonly value: number;
  readonly rule: string;
  readonly vms: readonly string[];
  readonly ranked: readonly { readonly host: string; readonly priority: number }[];
};
type Draft = { -readonly [K in keyof PhraseArgs]: PhraseArgs[K] } & { hosts: string[] };
export type FoundPhrase = { readonly id: PhraseId; readonly args: PhraseArgs };

export const processWords = ["agent", "heart", "guard-a", "guard-b"] as const;
export const recordWords = ["owner", "fence", "term", "registration", "status", "replica", "point"] as const;

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
    const args: Draft = {
      ...{ hosts: [], vm: "", process: "", record: "", work: "", value: 0 },
      ...{ rule: "", vms: [], ranked: [] },
    };
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

function whyNoHost(word: string, cluster: StoryCluster): string | undefined {
  const number = Number(/^h([1-9])$/u.exec(word)?.[1] ?? 0);
  return number > 0 && number <= cluster.hosts ? undefined : `there is no host ${word}`;
}

function whyNoVm(word: string, cluster: StoryCluster): string | undefined {
  return cluster.vms.some((vm) => vm.name === word) ? undefined : `there is no VM ${word}`;
}

function fill(args: Draft, slot: string, word: string, cluster: StoryCluster): string | undefined {
  switch (slot) {
    case "HOST":
      args.hosts.push(word);
      return whyNoHost(word, cluster);
    case "VM":
      args.vm = word;
      return whyNoVm(word, cluster);
    case "RULE":
      args.rule = word;
      return undefined;
    case "VMS":
      args.vms = word.split(",");
      return args.vms.map((vm) => whyNoVm(vm, cluster)).find((why) => why !== undefined);
    case "HOSTS":
      args.ranked = word.split(",").map((one) => {
        const [host = "", priority = "0"] = one.split(":");
        return { host, priority: Number(priority) };
      });
      return args.ranked
        .map(({ host, priority }) =>
          Number.isInteger(priority) ? whyNoHost(host, cluster) : `${word} is no list of hosts like h1:2,h2:1`,
        )
        .find((why) => why !== undefined);
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
