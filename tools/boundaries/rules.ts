import type { IForbiddenRuleType } from "dependency-cruiser";
import { mayImport, mayParse, type Part, packagesOf, parts, withoutNode } from "./arrows.ts";

const tests = "\\.test\\.ts$";
const names = Object.keys(parts) as Part[];

/** The arrows as rules of dependency-cruiser. Tests beside a file may import what they like: they ship nowhere. */
export function boundaryRules(): IForbiddenRuleType[] {
  return [
    ...names.map(arrowRule),
    ...withoutNode.map(noNodeRule),
    ...names.filter((name) => packagesOf[name] !== undefined).map(packagesRule),
    {
      name: "zod-at-the-edge",
      comment: "Untrusted data are parsed once, where they enter: zod only in model, api and adapters.",
      severity: "error",
      from: { path: "^src/", pathNot: [tests, ...mayParse.map((name) => parts[name])] },
      to: { path: "node_modules/zod/" },
    },
    {
      name: "no-cycles",
      comment: "Two files that need each other are one thought in two places.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "resolvable",
      comment: "An import that leads nowhere.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "no-test-code-in-the-product",
      comment: "What ships imports nothing of test, tools, bench or lab, and no test file.",
      severity: "error",
      from: { path: "^src/", pathNot: [tests] },
      to: { path: ["^test/", "^tools/", "^bench/", "^lab/", tests] },
    },
    {
      name: "declared-packages",
      comment: "The product imports only packages that package.json lists under dependencies.",
      severity: "error",
      from: { path: "^src/", pathNot: [tests] },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
  ];
}

function arrowRule(name: Part): IForbiddenRuleType {
  const own = [name, ...mayImport[name]];
  return {
    name: `${name}-arrows`,
    comment: `${name} may import ${own.join(", ")} and nothing else of this repository.`,
    severity: "error",
    from: { path: parts[name], pathNot: [tests, ...earlierThan(name)] },
    to: { path: "^(?:src|lab|bench|console|tools|test)/", pathNot: own.map((part) => parts[part]) },
  };
}

/** Patterns of parts that come before and win where both match (imagining before cli). */
function earlierThan(name: Part): string[] {
  return names.slice(0, names.indexOf(name)).map((earlier) => parts[earlier]);
}

function noNodeRule(name: Part): IForbiddenRuleType {
  return {
    name: `${name}-without-node`,
    comment: `${name} is free of I/O: no node: module, not even for a type. Ask for what you need through a port.`,
    severity: "error",
    from: { path: parts[name], pathNot: [tests, ...earlierThan(name)] },
    to: { dependencyTypes: ["core"] },
  };
}

function packagesRule(name: Part): IForbiddenRuleType {
  const allowed = packagesOf[name] ?? [];
  return {
    name: `${name}-packages`,
    comment: `${name} uses ${allowed.length === 0 ? "no npm package" : `only ${allowed.join(", ")} from npm`}.`,
    severity: "error",
    from: { path: parts[name], pathNot: [tests, ...earlierThan(name)] },
    to: { path: "node_modules/", pathNot: allowed.map((allowedName) => `node_modules/${allowedName}/`) },
  };
}
