import type { Mutant } from "../mutant.ts";

const checks = "src/core/rules/checks.ts";
const book = "src/core/rules/rule-book.ts";
const ruling = ["rule-add", "rule-change", "rules-at-odds"];

/** Bugs of rules: how they are edited, checked and merged. */
export const ruleMutants: readonly Mutant[] = [
  {
    id: "vm-in-two-host-rules",
    rule: "AF1",
    what: "A VM may be in two rules for hosts, which pull it to different ones.",
    near: ["rules-at-odds"],
    file: checks,
    find: "  checkOneHostRulePerVm(context);\n",
    replace: "",
    also: [{ file: checks, find: "  checkOneHostRulePerTeam(context);\n", replace: "" }],
  },
  {
    id: "team-in-two-host-rules",
    rule: "AF1",
    what: "Only a VM's own rules for hosts are counted, not those of VMs that it has to be with.",
    near: ruling,
    file: checks,
    find: "  checkOneHostRulePerTeam(context);\n",
    replace: "",
  },
  {
    id: "apart-on-too-few-hosts",
    rule: "AF2",
    what: "VMs that are kept apart may be bound to fewer hosts than they are.",
    near: ["rules-at-odds"],
    file: checks,
    find: "  checkHostsToBeApart(context);\n",
    replace: "",
    also: [
      {
        file: "src/core/rules/room-apart.ts",
        find: "if (crowd !== undefined) crowds.set(rule.id, crowd);",
        replace: "if (crowd !== undefined && rule.vms.length > 99) crowds.set(rule.id, crowd);",
      },
    ],
  },
  {
    id: "together-and-apart",
    rule: "AF3",
    what: "Two VMs may be kept together by one rule and apart by another.",
    near: ["rules-at-odds"],
    file: checks,
    find: "  checkTogetherAndApart(context);\n",
    replace: "",
  },
  {
    id: "chain-not-merged",
    rule: "AF4",
    what: "Of rules that share a VM, those behind the second do not belong to its team.",
    near: ruling,
    file: "src/core/rules/teams.ts",
    find: "  const left = headOf(heads, a);\n",
    replace: "  const left = a;\n",
    also: [
      {
        file: "src/core/rules/teams.ts",
        find: "    const head = headOf(heads, vm);\n",
        replace: "    const head = heads.get(vm) ?? vm;\n",
      },
    ],
  },
  {
    id: "implicit-apart-forgotten",
    rule: "AF4",
    what: "A VM keeps away from the one that its rule names, not from those that this one has to be with.",
    near: ruling,
    file: book,
    find: "if (other !== undefined && other !== unit) yield* other.members;",
    replace: "if (other !== undefined && other !== unit) yield vm;",
  },
  {
    id: "strict-taken-for-a-preference",
    rule: "AF5",
    what: "Where no host of a strict rule is left, any other will do.",
    near: ruling,
    file: book,
    find: "?? (rule.strict ? undefined : -1);",
    replace: "?? -1;",
  },
  {
    id: "preference-taken-for-strict",
    rule: "AF5",
    what: "Where no host of a rule that is not strict is left, the VM waits.",
    near: ruling,
    file: book,
    find: "?? (rule.strict ? undefined : -1);",
    replace: "?? undefined;",
  },
  {
    id: "disabled-rule-followed",
    rule: "AF5",
    what: "A rule that somebody switched off is followed.",
    near: ["rule-change"],
    file: book,
    find: "rules.filter((rule) => rule.enabled && !failing.has(rule.id))",
    replace: "rules.filter((rule) => !failing.has(rule.id))",
  },
  {
    id: "rule-edit-without-compare",
    rule: "AF6",
    what: "Two edits at the same moment that contradict each other are both accepted.",
    near: ["rules-at-odds"],
    file: "src/core/requests/rules.ts",
    find: "        unchanged(keys.lastRuleEdit, view.lastRuleEdit),\n",
    replace: "",
  },
  {
    id: "deleted-vm-stays-in-its-rules",
    rule: "AF6",
    what: "A VM is deleted, and the rules go on naming it.",
    near: ["operator-delete", "rule-and-delete"],
    file: "src/core/requests/change-vm.ts",
    find: "        ...rules.writes,\n",
    replace: "",
  },
  {
    id: "rule-edit-misses-a-deletion",
    rule: "AF6",
    what: "A rule is added for a VM that somebody deletes at the same moment.",
    near: ["rule-and-delete"],
    file: "src/core/requests/rules.ts",
    find: "        unchanged(keys.lastVmDeletion, view.lastVmDeletion),\n",
    replace: "",
    also: [
      {
        file: "src/core/requests/rules-without-vm.ts",
        find: "const compares = [unchanged(keys.lastRuleEdit, view.lastRuleEdit)];",
        replace: "const compares = [unchanged(keys.cluster, view.cluster)];",
      },
    ],
  },
];
