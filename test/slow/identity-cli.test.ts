// Identity, policy and encryption as the command line shows them, on a mesh with a workload without sidecar, one policy, and REGISTRY_ONLY.

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments, stringify } from "yaml";
import { type CliResult, lateenOn } from "../harness/cli.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { meshConfigYaml, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

const outside = {
  command: ["node", "test-app.mjs"],
  workingDir: fileURLToPath(new URL("../harness", import.meta.url)),
  env: { VERSION: "out", SHARED: "${shared}" },
  ports: [8080, 8082, 8443],
};

const securityYaml = (kind: string, name: string, spec: object): string =>
  stringify({ apiVersion: "security.istio.io/v1", kind, metadata: { name, namespace: "default" }, spec });

const registryOnly = meshConfigYaml({ outboundTrafficPolicy: { mode: "REGISTRY_ONLY" } });

const getOnly = securityYaml("AuthorizationPolicy", "get-only", {
  selector: { matchLabels: { app: "server" } },
  rules: [{ to: [{ operation: { methods: ["GET"] } }] }],
});

beforeAll(async () => {
  const legacy = appYaml("legacy", ["v1"]).replace(
    "metadata:\n      labels:",
    'metadata:\n      annotations: {sidecar.istio.io/inject: "false"}\n      labels:',
  );
  const manifests = yamlOf(appYaml("client", ["v1"]), appYaml("server", ["v1"]), legacy, getOnly, registryOnly);
  mesh = await TestMesh.start({ manifests, lateenYaml: { external: { "free.out.test": outside } } });
});

afterAll(async () => {
  await mesh?.close();
});

const on = (...args: readonly string[]): Promise<CliResult> => lateenOn(mesh, args);

describe("policy can", () => {
  it("agrees with what happens, and exits with 0 for yes and 1 for no", async () => {
    for (const method of ["GET", "POST"]) {
      const { status } = await mesh.http("client", "http://server/x", { method });
      const said = await on("policy", "can", "client", "server", method, "/x");
      expect([method, status, said.code]).toEqual([method, method === "GET" ? 200 : 403, method === "GET" ? 0 : 1]);
    }
    const no = await on("policy", "can", "client", "server", "POST", "/x");
    expect(no.stdout).toMatch(/^✗ no: no rule of the ALLOW policies matches: AuthorizationPolicy default\/get-only\n/);
    expect(no.stdout).toContain("→ rule 1 of AuthorizationPolicy default/get-only lets this caller in, but not for POST /x");
    expect(no.stdout).toMatch(/caller +spiffe:\/\/cluster.local\/ns\/default\/sa\/default\n/);
    const plain = await on("policy", "can", "deploy/legacy-v1", "server.default", "-o", "json");
    expect(JSON.parse(plain.stdout)).toMatchObject({
      allowed: true,
      from: { proxy: "none", identity: "" },
      transport: { kind: "plaintext" },
    });
  });

  it("says what is wrong with the question", async () => {
    expect(await on("policy", "can", "nobody", "server")).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('no pod, deployment or service "nobody"'),
    });
    expect(await on("policy", "can", "client", "server", "--token-claims", "x")).toMatchObject({ code: 64 });
  });
});

describe("who is at both ends", () => {
  it("graph shows encrypted edges with identities, and says why others are not", async () => {
    await mesh.http("client", "http://server/");
    await mesh.http("client", "http://legacy/");
    await mesh.http("legacy", "http://server/");
    const identity = "spiffe://cluster.local/ns/default/sa/default";
    const find = async (from: string, to: string) =>
      (await mesh.client.edges({ windowMs: 60_000 })).edges.find((edge) => edge.from.name === from && edge.to.name === to);
    const calls = [
      ["default/client-v1", "default/server-v1"],
      ["default/client-v1", "default/legacy-v1"],
      ["(no sidecar)", "default/server-v1"],
    ] as const;
    // Each is told of by another proxy.
    for (const [from, to] of calls)
      await eventually(async () => (await find(from, to))?.state === "live", 60_000, `the call from ${from} to ${to}`);
    const { edges } = JSON.parse((await on("edges", "--for", "60s", "-o", "json")).stdout);
    const edgeOf = (from: string, to: string) =>
      edges.find((edge: { from: { name: string }; to: { name: string } }) => edge.from.name === from && edge.to.name === to);
    expect(edgeOf("default/client-v1", "default/server-v1")).toMatchObject({
      encryption: "mtls",
      from: { identity },
      to: { identity },
      port: 80,
      protocol: "http",
    });
    expect(edgeOf("default/client-v1", "default/legacy-v1")).toMatchObject({
      encryption: "none",
      reason: "the server has no sidecar",
    });
    expect(edgeOf("(no sidecar)", "default/server-v1")).toMatchObject({
      encryption: "none",
      reason: expect.stringContaining("pods without one: default/legacy-v1"),
    });
    const { stdout } = await on("edges", "--for", "60s");
    expect(stdout).toMatch(/default\/client-v1 +default\/server-v1 +80\/http +✓ mTLS/);
    expect(stdout).toMatch(/✗ plaintext \(no sidecar\) → default\/server-v1 80\/http: the caller has no sidecar/);
    expect((await on("graph", "-o", "mermaid")).stdout).toMatch(/^flowchart LR\n/);
  });

  it("proxy list names each proxy's identity and the life of its certificate", async () => {
    const { stdout, code } = await on("proxy", "list");
    expect(code).toBe(0);
    expect(stdout).toMatch(/server-v1-\S+ +sidecar .*PERMISSIVE +cluster.local\/ns\/default\/sa\/default +\d+[hms]\S* left/);
  });
});

describe("describe", () => {
  it("a pod: who it is, what it accepts and why, who may call it", async () => {
    const [pod = ""] = await mesh.pods("server");
    const { stdout, code } = await on("describe", "pod", pod);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Pod default/${pod}, Running, ✓ ready\n`));
    expect(stdout).toMatch(/identity +spiffe:\/\/cluster.local\/ns\/default\/sa\/default\n/);
    expect(stdout).toMatch(/certificate +serial [0-9A-Fa-f]+\n/);
    expect(stdout).toMatch(/8080 +http +PERMISSIVE +the default/);
    expect(stdout).toMatch(/AuthorizationPolicy default\/get-only: ALLOW, 1 rule\n/);
    expect(stdout).toMatch(/Service default\/server: 80 http → 8080 \(http\)/);
    expect(stdout).toMatch(/problems\n.* LTN0837 AuthorizationPolicy default\/get-only spec.rules\[0\]: server-v1 speaks TCP on port 8082/);
    expect(JSON.parse((await on("describe", `pod/${pod}`, "-o", "json")).stdout)).toMatchObject({
      proxy: "sidecar",
      certificate: { spiffeId: "spiffe://cluster.local/ns/default/sa/default" },
    });
    const [legacy = ""] = await mesh.pods("legacy");
    expect((await on("describe", "po", legacy)).stdout).toMatch(/proxy +none: it speaks plaintext, and no policy is enforced for it/);
    expect(await on("describe", "pod", "nobody")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no pod default/nobody"),
    });
    expect((await on("describe", "ap", "get-only")).stdout).toMatch(/kind: AuthorizationPolicy[\s\S]*warning LTN0837/);
  });
});

describe("egress", () => {
  it("names what REGISTRY_ONLY refused, and its ServiceEntry opens it", async () => {
    const answer = await mesh.http("client", "http://free.out.test:8080/");
    expect(answer).toMatchObject({ status: 502, body: expect.stringMatching(/^free.out.test:8080 is no host of the mesh/) });
    await mesh.run("client", { kind: "tls", host: "free.out.test", port: 8443 });
    await eventually(async () => (await on("egress", "blocked")).stdout.includes("8443"), 60_000, "both in the access log");
    const { stdout } = await on("egress", "blocked");
    expect(stdout).toMatch(/default +client-v1 +✗ free.out.test:8080 +HTTP +1 +\d+s ago/);
    expect(stdout).toMatch(/default +client-v1 +✗ free.out.test:8443 +TLS +1 /);
    const opening = (await on("egress", "blocked", "-o", "yaml")).stdout;
    expect(parseAllDocuments(opening)).toHaveLength(1);
    expect((await lateenOn(mesh, ["apply", "-f", "-"], opening)).code).toBe(0);
    await eventually(async () => (await mesh.http("client", "http://free.out.test:8080/")).status === 200, 60_000, "open");
  });
});

describe("the authority", () => {
  it("shows its root, and replaces it under traffic", async () => {
    const before = JSON.parse((await on("ca", "status", "-o", "json")).stdout);
    expect(before).toMatchObject({ trustDomain: "cluster.local", source: "own", rotation: { phase: "steady", waitingFor: [] } });
    expect((await on("ca", "status")).stdout).toContain("no root rotation is under way");
    const load = mesh.load("client", "http://server/", { ratePerSecond: 50, durationMs: 3000, freshShare: 0.3 });
    const rotated = await on("ca", "rotate-root", "--timeout", "60s");
    expect(rotated).toMatchObject({ code: 0, stdout: expect.stringMatching(/^the root is [0-9A-F:]{95}\n$/) });
    expect(rotated.stdout).not.toContain(before.roots[0].fingerprint);
    const { total, byStatus } = await load;
    expect(byStatus).toEqual({ 200: total });
    expect((await on("ca", "rotate-root", "--abort")).stdout).toMatch(/^the root is still/);
  });
});
