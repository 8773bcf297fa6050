import { statSync } from "node:fs";
import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Client, connectClient } from "../../src/api/client/index.ts";
import { contract } from "../../src/api/contract/index.ts";
import { type ApiHost, failure, webSpec as spec, startApiHost } from "../support/api-host.ts";

let api: ApiHost;
let client: Client;
const others: ApiHost[] = [];

beforeEach(async () => {
  api = await startApiHost();
  client = connectClient(api.socket);
});
afterEach(async () => {
  await api.close();
  for (const other of others.splice(0)) await other.close();
});

type Plain = { readonly status: number; readonly body: unknown };

function rest(method: string, path: string, body?: object): Promise<Plain> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const sent = request({ socketPath: api.socket, method, path, headers }, (answer) => {
      let text = "";
      answer.on("data", (piece) => {
        text += piece;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: JSON.parse(text) }));
    });
    sent.once("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

describe("REST", () => {
  test("the same procedures by path, with the contract's errors", async () => {
    expect(await rest("POST", "/api/vms", spec)).toMatchObject({ status: 200, body: { name: "web" } });
    expect(await rest("GET", "/api/vms/web")).toMatchObject({ status: 200, body: { vm: { name: "web" } } });
    expect(await rest("GET", "/api/events?limit=1")).toMatchObject({ body: { events: [{ type: "vm-created" }] } });
    expect(await rest("POST", "/api/vms", spec)).toMatchObject({
      status: 409,
      body: { data: { code: "vm-name-taken" } },
    });
    expect(await rest("PATCH", "/api/vms/web", { maxRestart: 5 })).toMatchObject({ body: { maxRestart: 5 } });
    const rule = { rule: "near", kind: "host-affinity", vms: ["web"], hosts: [{ host: "h1", priority: 2 }] };
    expect(await rest("POST", "/api/rules", rule)).toMatchObject({ status: 200, body: { rule: { id: "near" } } });
    expect(await rest("PATCH", "/api/rules/near", { strict: true })).toMatchObject({
      body: { rule: { strict: true } },
    });
    expect(await rest("GET", "/api/rules?vm=web")).toMatchObject({ body: { rules: [{ id: "near" }] } });
    expect(await rest("DELETE", "/api/rules/near")).toMatchObject({ body: { id: "near" } });
    expect(await rest("DELETE", "/api/vms/web")).toMatchObject({ status: 200, body: { name: "web" } });
    expect(await rest("GET", "/nowhere")).toMatchObject({ status: 404, body: { data: { code: "path-unknown" } } });
  });

  test("OpenAPI describes every procedure of the contract", async () => {
    const { body } = await rest("GET", "/api/openapi.json");
    const paths = (body as { paths: Record<string, Record<string, { operationId: string }>> }).paths;
    const described = Object.values(paths).flatMap((methods) => Object.values(methods).map((one) => one.operationId));
    const wanted = Object.entries(contract).flatMap(([noun, verbs]) =>
      Object.keys(verbs).map((verb) => `${noun}.${verb}`),
    );
    expect(described.sort()).toEqual(wanted.sort());
    expect(await rest("GET", "/health")).toMatchObject({ status: 200, body: { host: "h1" } });
  });
});

test("the socket is for root alone, is not taken from a daemon that answers, and goes with the server", async () => {
  expect(statSync(api.socket).mode & 0o777).toBe(0o600);
  const second = await startApiHost();
  others.push(second);
  expect(await second.api.listen(api.socket)).toMatchObject({ kind: "refused", code: "api-socket-in-use" });
  expect((await client.host.list()).hosts).toHaveLength(2);
});

test("a client without a daemon says so", async () => {
  expect(await failure(connectClient(`${api.folder}/nobody.sock`).host.list())).toEqual({
    kind: "no-daemon",
    cause: "ENOENT",
  });
});
