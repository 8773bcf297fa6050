/** Parts of the tree between which the arrows of docs/ARCHITECTURE.md run. The first pattern that matches a path wins. */
export const parts = {
  base: "^src/base/",
  model: "^src/model/",
  /** D, P, M and their relations: constants that whoever reads a configuration holds it against. */
  limits: "^src/core/limits\\.ts$",
  core: "^src/core/",
  manager: "^src/manager/",
  agent: "^src/agent/",
  heart: "^src/heart/",
  ports: "^src/ports/",
  runtime: "^src/runtime/",
  adapters: "^src/adapters/",
  sim: "^src/sim/",
  contract: "^src/api/contract/",
  server: "^src/api/server/",
  /** The client's way over a unix socket, for programs of this machine; a browser brings its own. */
  socket: "^src/api/client/socket-",
  client: "^src/api/client/",
  imagining: "^src/cli/(?:simulate|whatif)",
  cli: "^src/cli/",
  main: "^src/main/",
  console: "^console/",
  lab: "^lab/",
  bench: "^bench/",
  /** A whole lab with what watches it from outside, for tests and for benches. */
  rig: "^test/support/lab-",
} as const;
export type Part = keyof typeof parts;

const pure = ["base", "model"] as const;
const thinking = [...pure, "core", "ports"] as const;
const outside = [...pure, "core", "ports", "manager", "agent", "heart", "runtime", "adapters"] as const;

/** What each part may import, besides itself. The arrow always points to the calmer thing. */
export const mayImport: Readonly<Record<Part, readonly Part[]>> = {
  base: [],
  model: ["base"],
  limits: [...pure],
  core: [...pure, "ports", "limits"],
  ports: [...pure],
  manager: thinking,
  agent: thinking,
  heart: thinking,
  runtime: [...thinking, "manager", "agent", "heart"],
  adapters: [...pure, "ports", "limits"],
  sim: [...thinking, "manager", "agent", "heart", "runtime"],
  contract: [...pure],
  server: [...thinking, "contract"],
  socket: [...pure, "contract", "client"],
  client: [...pure, "contract", "socket"],
  imagining: [...pure, "contract", "client", "socket", "cli", "sim"],
  cli: [...pure, "contract", "client", "socket", "imagining"],
  main: [...outside, "contract", "server", "client", "socket", "cli"],
  console: ["model", "contract", "client"],
  lab: [...outside, "contract", "client", "socket", "cli", "main"],
  bench: [...outside, "contract", "client", "socket", "cli", "main", "lab", "rig"],
  rig: [...outside, "contract", "client", "socket", "cli", "main", "lab", "bench", "sim"],
};

/** Parts that are free of I/O by construction: not even a type of `node:`. */
export const withoutNode: readonly Part[] = [
  "base",
  "model",
  "core",
  "manager",
  "agent",
  "heart",
  "ports",
  "runtime",
  "sim",
  "contract",
  "client",
];

/** npm packages that the calm parts may use; every other part is free in its choice. */
export const packagesOf: Readonly<Partial<Record<Part, readonly string[]>>> = {
  base: [],
  model: ["zod"],
  core: [],
  manager: [],
  agent: [],
  heart: [],
  ports: [],
  runtime: [],
  sim: ["zod"],
};

/** Parts besides `packagesOf` that may import zod: untrusted data are parsed once, where they enter. */
export const mayParse: readonly Part[] = ["model", "adapters", "contract", "server", "client", "socket", "sim"];
