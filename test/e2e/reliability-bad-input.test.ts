// What a user can get wrong: each mistake is named with its place, cause and fix, the other objects are applied, and nothing crashes.

import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lateenOn } from "../harness/cli.ts";
import { subsetsYaml } from "../harness/manifests.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { controlPlanePid } from "../harness/outage.ts";

let mesh: TestMesh;
let controlPlane = 0;

beforeAll(async () => {
  mesh = await TestMesh.start({
    manifests: `${appYaml("client", ["v1"])}---\n${appYaml("server", ["v1"])}---${subsetsYaml("server", ["v1"])}`,
  });
  controlPlane = controlPlanePid(mesh);
});

afterAll(async () => {
  await mesh?.close();
});

const virtualService = (name: string, spec: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: default}
spec:
${spec}
---
`;
const good = (name: string): string => `apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}, namespace: default}
data: {k: v}
`;

const mistakes: readonly (readonly [name: string, spec: string, message: RegExp])[] = [
  [
    "unknown-field",
    "  hosts: [a]\n  http: [{rout: [{destination: {host: a}}]}]",
    /<stdin>:6:\d+: error LTN0101 VirtualService default\/unknown-field spec\.http\[0\]\.rout: .*did you mean `route`/,
  ],
  ["wrong-type", "  hosts: b\n  http: []", /<stdin>:5:\d+: error LTN0103 VirtualService default\/wrong-type spec\.hosts: .*must be a list/],
  [
    "number-duration",
    "  hosts: [b]\n  http: [{timeout: 5, route: [{destination: {host: b}}]}]",
    /error LTN0107 .* spec\.http\[0\]\.timeout: .*without a unit/,
  ],
  [
    "negative-weight",
    "  hosts: [c]\n  http: [{route: [{destination: {host: c}, weight: -1}, {destination: {host: d}, weight: 101}]}]",
    /error LTN0206 .* spec\.http\[0\]\.route\[0\]\.weight: .*is -1/,
  ],
  [
    "zero-weights",
    "  hosts: [d]\n  http: [{route: [{destination: {host: d}, weight: 0}, {destination: {host: e}, weight: 0}]}]",
    /error LTN0206 .* spec\.http\[0\]\.route: all weights .*are 0/,
  ],
  [
    "bad-regex",
    '  hosts: [e]\n  http: [{match: [{uri: {regex: "(?=a)"}}], route: [{destination: {host: e}}]}]',
    /error LTN0207 .* spec\.http\[0\]\.match\[0\]\.uri\.regex: .*no RE2 pattern/,
  ],
  [
    "endless-timeout",
    "  hosts: [e]\n  http: [{timeout: 9999999999h, route: [{destination: {host: e}}]}]",
    /error LTN0107 .* spec\.http\[0\]\.timeout: .*is not a duration/,
  ],
];

describe("lateen apply", () => {
  it.each(mistakes)("refuses %s, says why, and applies the rest", async (name, spec, message) => {
    const result = await lateenOn(mesh, ["apply", "-f", "-"], virtualService(name, spec) + good(`beside-${name}`));
    expect(result.code).toBe(65);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toMatch(/^ {2}fix: \S+/m);
    expect(result.stdout).toContain(`configmap/beside-${name} created`);
    expect((await mesh.client.list("VirtualService")).items.map(({ metadata }) => metadata.name)).not.toContain(name);
  });

  it("takes a route to a subset that doesn't exist, and says so", async () => {
    const spec = "  hosts: [server]\n  http: [{route: [{destination: {host: server, subset: v9}}]}]";
    const yaml = virtualService("missing-subset", spec);
    const result = await lateenOn(mesh, ["apply", "-f", "-"], yaml);
    expect(result).toMatchObject({ code: 79, stdout: expect.stringContaining("missing-subset created") });
    expect(result.stderr).toMatch(
      /error LTN0702 VirtualService default\/missing-subset .*destination\.subset: DestinationRule default\/server has no subset "v9"/,
    );
    const status = await lateenOn(mesh, ["status"]);
    expect(status.stdout).toContain("LTN0702");
    await mesh.remove(yaml);
    expect((await mesh.http("client", "http://server/")).status).toBe(200);
  });

  it("reports two objects that claim one host, and the older one works on", async () => {
    const first = virtualService(
      "first",
      "  hosts: [server]\n  http: [{route: [{destination: {host: server}}], headers: {response: {set: {x-by: first}}}}]",
    );
    const second = virtualService(
      "second",
      "  hosts: [server]\n  http: [{route: [{destination: {host: server}}], headers: {response: {set: {x-by: second}}}}]",
    );
    await mesh.apply(first);
    const result = await lateenOn(mesh, ["apply", "-f", "-"], second);
    expect(result.code).toBe(79);
    expect(result.stderr).toMatch(
      /error LTN0704 VirtualService default\/second spec\.hosts\[0\]: .*claimed by VirtualService default\/first/,
    );
    expect((await mesh.http("client", "http://server/")).headers["x-by"]).toBe("first");
    await mesh.remove(`${first}${second}`);
  });

  const deep = (depth: number): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: deep}\ndata: ${"[".repeat(depth)}${"]".repeat(depth)}\n`;
  const blockDeep = `a:\n${Array.from({ length: 2000 }, (_, depth) => `${" ".repeat(depth + 1)}a:`).join("\n")}\n`;
  const level = (index: number): string => `b${index}: &b${index} [*b${index - 1}, *b${index - 1}]`;
  const levels = Array.from({ length: 30 }, (_, index) => level(index + 1)).join("\n");
  const laughs = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: laughs}\nb0: &b0 [x, x]\n${levels}\n`;

  it.each([
    ["flow nesting", deep(100_000)],
    ["block nesting", blockDeep],
    ["aliases that multiply", laughs],
    ["__proto__", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p}\ndata: {__proto__: {polluted: yes}}\n"],
    ["constructor.prototype", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p, labels: {__proto__: x}}\n"],
    ["control characters", "apiVersion: v1\u0000\nkind: ConfigMap\n"],
    ["no YAML", "{{{ not yaml"],
    ["a list", "- 1\n- 2\n"],
  ])("refuses %s", async (_, yaml) => {
    const result = await lateenOn(mesh, ["apply", "-f", "-"], `${yaml}---\n${good("after-bomb")}`);
    expect(result.code).toBe(65);
    expect(result.stderr).toMatch(/<stdin>:\d+:\d+: error LTN\d+/);
    expect(result.stderr).not.toMatch(/^ {4}at /m);
  });
});

describe("the HTTP API", () => {
  const post = (body: string, type = "application/json"): Promise<{ code: number; text: string }> =>
    new Promise((resolve, reject) => {
      const path = "/api/v1/namespaces/default/configmaps";
      const sent = request(
        { socketPath: join(mesh.runDir, "api.sock"), method: "POST", path, headers: { "content-type": type } },
        (response) => {
          let text = "";
          response.on("data", (chunk: Buffer) => {
            text += chunk;
          });
          response.on("end", () => resolve({ code: response.statusCode ?? 0, text }));
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });

  it.each([
    ["nesting", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
    ["__proto__", '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"p"},"data":{"__proto__":{"polluted":"yes"}}}'],
    ["constructor", '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"p"},"constructor":{"prototype":{"polluted":"yes"}}}'],
    ["broken JSON", '{"apiVersion":'],
    ["an array", "[]"],
    ["a wrong type", '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"p"},"data":[1]}'],
    ["a name that is no name", '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"../../etc"}}'],
  ])("refuses %s with a Status", async (_, body) => {
    const { code, text } = await post(body);
    expect(code).toBeGreaterThanOrEqual(400);
    expect(code).toBeLessThan(500);
    expect(JSON.parse(text)).toMatchObject({ kind: "Status", status: "Failure", message: expect.stringMatching(/\w/) });
  });
});

describe("after all of it", () => {
  it("the control plane is the same process, and traffic flows", async () => {
    expect(controlPlanePid(mesh)).toBe(controlPlane);
    expect((await mesh.http("client", "http://server/")).status).toBe(200);
    expect((await mesh.client.proxies()).proxies.every(({ synced }) => synced)).toBe(true);
  });
});
