import { parseCluster } from "./parse-cluster.ts";
import { findPhrase, parseMs } from "./phrase-words.ts";
import type { Parsed, Scenario, ScenarioProblem, StoryCluster, StoryStep } from "./scenario.ts";

const separator = "----";
const rulesPattern = /^# rules: ([A-Z]+\d+(?: [A-Z]+\d+)*)$/u;
const namePattern = /^[a-z0-9]+(?:-[a-z0-9]+){2,}$/u;

/** Reads one file; every problem names its line. */
export function parseScenario(name: string, text: string): Parsed {
  const reading = new Reading();
  if (!namePattern.test(name)) reading.problem(1, `a file is named topic-situation-outcome, not ${name}`);
  const lines = text.split("\n");
  const end = lines.indexOf(separator);
  const head = end < 0 ? lines : lines.slice(0, end);
  head.forEach((line, i) => {
    reading.take(line, i + 1);
  });
  const { cluster, untilMs } = reading;
  if (reading.why.length === 0) reading.problem(1, "why the story is told stands first, in lines that begin with #");
  if (reading.rules.length === 0) reading.problem(1, "there is no line `# rules: S1 S8`");
  if (cluster === undefined) reading.problem(1, "there is no line `cluster hosts=h1,h2,h3 …`");
  if (untilMs === undefined) reading.problem(head.length, "the story has no end: `run until=60s`");
  if (cluster === undefined || untilMs === undefined || reading.problems.length > 0)
    return { kind: "unreadable", problems: reading.problems };
  const scenario: Scenario = {
    name,
    why: reading.why.join(" "),
    rules: reading.rules,
    lab: reading.lab,
    cluster,
    steps: reading.steps,
    untilMs,
    head: `${head.join("\n").trimEnd()}\n`,
    expected: end < 0 ? undefined : lines.slice(end + 1).join("\n"),
  };
  return { kind: "scenario", scenario };
}

/** The file with what was played as its expectation. */
export function withExpectation(scenario: Scenario, trace: string): string {
  return `${scenario.head}${separator}\n${trace}`;
}

class Reading {
  readonly problems: ScenarioProblem[] = [];
  readonly why: string[] = [];
  rules: readonly string[] = [];
  lab = false;
  cluster: StoryCluster | undefined;
  readonly steps: StoryStep[] = [];
  untilMs: number | undefined;

  problem(line: number, message: string): void {
    this.problems.push({ line, message });
  }

  take(line: string, number: number): void {
    if (line.trim() === "") return;
    const problem = line.startsWith("#") ? this.#takeComment(line) : this.#takeSentence(line, number);
    if (problem !== undefined) this.problem(number, problem);
  }

  #takeComment(line: string): string | undefined {
    if (line.startsWith("# rules:")) {
      const rules = rulesPattern.exec(line)?.[1];
      if (rules === undefined) return "rules are named like `# rules: S1 S8`";
      this.rules = rules.split(" ");
    } else if (line.startsWith("# lab:")) {
      if (line !== "# lab: yes") return "only `# lab: yes` is known here";
      this.lab = true;
    } else if (this.cluster === undefined) this.why.push(line.replace(/^#+ ?/u, ""));
    return undefined;
  }

  #takeSentence(line: string, number: number): string | undefined {
    const words = line.trim().split(/ +/u);
    switch (words[0]) {
      case "cluster": {
        if (this.cluster !== undefined) return "there is one line `cluster`, this is the second";
        const read = parseCluster(words.slice(1));
        if (typeof read === "string") return read;
        this.cluster = read;
        return undefined;
      }
      case "at":
        return this.#takeStep(words.slice(1), number);
      case "run":
        return this.#takeRun(words.slice(1));
      default:
        return `a line begins with cluster, at, run or #, not with ${words[0]}`;
    }
  }

  #takeStep(words: readonly string[], line: number): string | undefined {
    const [at = "", ...rest] = words;
    const atMs = parseMs(at);
    if (atMs === undefined) return `${at} is no moment: 20s, 1.5s, 10min or 500ms`;
    if (atMs < (this.steps.at(-1)?.atMs ?? 0)) return "it is earlier than the line before it";
    const last = rest.at(-1) ?? "";
    const lasts = rest.at(-2) === "for";
    const forMs = lasts ? parseMs(last) : undefined;
    if (lasts && forMs === undefined) return `${last} is no length of time: 20s, 1.5s, 10min or 500ms`;
    const what = lasts ? rest.slice(0, -2) : rest;
    const problem = this.#whyNot(what);
    if (problem === undefined) this.steps.push({ line, atMs, words: what, forMs });
    return problem;
  }

  #whyNot(words: readonly string[]): string | undefined {
    if (this.cluster === undefined) return "the line `cluster` comes first";
    const healed = words[0] === "heal" ? words.slice(1) : words;
    if (words[0] === "heal" && healed.length === 0) return undefined;
    const found = findPhrase(healed, this.cluster);
    return typeof found === "string" ? found : undefined;
  }

  #takeRun(words: readonly string[]): string | undefined {
    const [until = ""] = words;
    const ms = until.startsWith("until=") && words.length === 1 ? parseMs(until.slice("until=".length)) : undefined;
    if (ms === undefined) return "a run ends: `run until=60s`";
    this.untilMs = ms;
    return ms < (this.steps.at(-1)?.atMs ?? 0) ? "it ends before its last step" : undefined;
  }
}
