// Mutual TLS between two sidecars and a pod without one: what each mode accepts and refuses, what runs inside, and that modes and policies change
// under load without a lost request.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../harness/eventually.ts";
import { withoutRetries } from "../harness/manifests.ts";
import { appYaml, type HttpResult, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { envoyStats } from "../harness/outage.ts";
import { acceptsYaml, type MtlsMode, policyYaml } from "../harness/security-yaml.ts";
import { istioYaml, yamlOf } from "../harness/traffic-yaml.ts";
import { lossesOf, nothing, underLoad } from "../harness/under-load.ts";

let mesh: TestMesh;
let serverPod = "";
let serverIp = "";
const serverId = "spiffe://cluster.local/ns/default/sa/default";
const handshakes = "listener.0.0.0.0_15006.ssl.handshake";

/** Pods with a proxy and one without behind one name. */
const mixed = serviceYaml("mixed", { spec: { selector: { version: "v1" } } });

beforeAll(async () => {
  const manifests = yamlOf(appYaml("client", ["v1"]), appYaml("server", ["v1"]), appYaml("plain", ["v1"], { sidecar: false }), mixed);
  mesh = await TestMesh.start({ manifests: withoutRetries + manifests });
  [serverPod = ""] = await mesh.pods("server");
  const { pods } = await mesh.client.status();
  serverIp = pods.find(({ name }) => name === serverPod)?.ip ?? "";
});
afterAll(() => mesh?.close());

/** Applies it, and waits until the server's proxy narrowed or widened what it accepts: clients come over before. */
async function accept(mode: MtlsMode, ports: Readonly<Record<number, MtlsMode>> = {}): Promise<void> {
  await mesh.apply(acceptsYaml("server", mode, ports));
  const others = Object.entries(ports).map(([port, own]) => `, ${port} ${own}`);
  await settled(`${mode}${others.join("")}`);
}

async function settled(text: string): Promise<void> {
  const has = async () => {
    const { proxies } = await mesh.client.proxies();
    return proxies.every(({ synced, pod, mtls }) => synced && (pod !== serverPod || mtls === text));
  };
  await eventually(has, 60_000, `server accepts ${text}`);
}

async function stat(name: string): Promise<number> {
  return (await envoyStats(mesh, serverPod, /\.ssl\.handshake$|\.rbac\.denied$/))[name] ?? 0;
}

/** What the application was told of the client's certificate; "none" for none, else why there is no answer. */
async function peerOf(from: string, url: string): Promise<string> {
  const { status, body, error } = await mesh.http(from, url);
  if (status !== 200) return error === undefined ? String(status) : "cut off";
  return /URI=([^;]*)/.exec(String(JSON.parse(body).headers["x-forwarded-client-cert"] ?? ""))?.[1] ?? "none";
}

const direct = (port = 8080): string => `http://${serverIp}:${port}/`;

/** Pooled connections with another face are used until they are drained. */
async function becomes(peer: string): Promise<void> {
  await eventually(async () => (await peerOf("client", "http://server/")) === peer, 60_000, `a peer ${peer}`);
}

/** The server's greeting, "" when there is none; a client that speaks first is refused at once, others after detection's time. */
async function greeting(from: string, host: string, port: number, first?: string): Promise<string> {
  const { text } = (await mesh.run(from, { kind: "tcp-once", host, port, text: first })) as { text: string };
  return text.split(" ").slice(0, 2).join(" ");
}

describe("by default", () => {
  it("sidecars encrypt and show who they are, callers without one are served", async () => {
    const before = await stat(handshakes);
    expect(await peerOf("client", "http://server/")).toBe(serverId);
    expect(await stat(handshakes)).toBeGreaterThan(before);
    const encrypted = await stat(handshakes);
    expect(await peerOf("plain", direct())).toBe("none");
    expect(await stat(handshakes)).toBe(encrypted);
    await mesh.logged((line) => line.includes(`"${serverIp}:8080" "`) && line.includes("via_upstream"));
    expect(mesh.accessLogOf(serverPod)).not.toContain("TLS_error");
  });

  it("each endpoint is called as it can be", async () => {
    const { byStatus } = await mesh.load("client", "http://mixed/", { count: 60 });
    expect(byStatus).toEqual({ 200: 60 });
    const seen = new Map<string, string>();
    for (let sent = 0; sent < 60 && seen.size < 3; sent++) {
      const { pod, headers } = JSON.parse((await mesh.http("client", "http://mixed/")).body);
      seen.set(
        String(pod).split("-")[0] ?? "",
        String(headers["x-forwarded-client-cert"]).includes(`URI=${serverId}`) ? "mTLS" : "plaintext",
      );
    }
    expect(Object.fromEntries(seen)).toEqual({ client: "mTLS", server: "mTLS", plain: "plaintext" });
  });

  it("nobody's word is taken for a certificate", async () => {
    const forged = { headers: { "x-forwarded-client-cert": `URI=${serverId}` } };
    const seen = ({ body }: HttpResult) => String(JSON.parse(body).headers["x-forwarded-client-cert"]);
    expect(seen(await mesh.http("plain", direct(), forged))).toBe("undefined");
    expect(seen(await mesh.http("client", "http://server/", forged)).match(/URI=/g)?.length).toBe(1);
  });

  it("gRPC, WebSockets, HTTP/2, server-first TCP and undeclared protocols travel inside", async () => {
    const before = await stat(handshakes);
    expect(await mesh.run("client", { kind: "grpc", origin: "http://server:81", headers: { "x-want-grpc-status": "7" } })).toMatchObject({
      grpcStatus: "7",
    });
    expect(await mesh.run("client", { kind: "upgrade", url: "http://server/" })).toMatchObject({ status: 101, text: "v1 hello" });
    const { body } = (await mesh.run("client", { kind: "http2", origin: "http://server:82" })) as { body: string };
    expect(JSON.parse(body).headers["x-forwarded-client-cert"]).toContain(`URI=${serverId}`);
    expect([await greeting("client", "server", 83), await greeting("client", "server", 84)]).toEqual(["220 v1", "220 v1"]);
    expect(await stat(handshakes)).toBeGreaterThanOrEqual(before + 3);
  });
});

describe("policies under load", () => {
  it("come and go: what they deny is denied while they are in force, nothing else, and no listener changes", async () => {
    const stats = () => envoyStats(mesh, serverPod, /^listener_manager\.(listener_|total_filter_chains_draining)/);
    const before = await stats();
    expect(Object.keys(before)).toContain("listener_manager.listener_modified");
    const policy = policyYaml("closed", "server", { action: "DENY", rules: [{ to: [{ operation: { paths: ["/closed*"] } }] }] });
    const allow = policyYaml("own", "server", { rules: [{ from: [{ source: { principals: ["cluster.local/ns/default/sa/default"] } }] }] });
    const count = { count: 40, concurrency: 8 };
    const report = await underLoad(mesh, { from: "client", url: "http://server/open" }, async () => {
      for (let round = 0; round < 3; round++) {
        await mesh.apply(yamlOf(policy, allow));
        expect((await mesh.load("client", "http://server/closed", count)).byStatus).toEqual({ 403: 40 });
        await mesh.remove(yamlOf(policy, allow));
        expect((await mesh.load("client", "http://server/closed", count)).byStatus).toEqual({ 200: 40 });
      }
    });
    expect(lossesOf(report)).toEqual(nothing);
    await mesh.logged((line) => line.includes('"GET /closed') && line.includes("ns[default]-policy[closed]-rule[0]"));
    const denied = await envoyStats(mesh, serverPod, /rbac\.policy\.ns\[default\]-policy\[closed\]-rule\[0\]\.denied$/);
    expect(Object.values(denied).reduce((sum, value) => sum + value, 0)).toBe(120);
    expect(await stats()).toEqual(before);
  });
});

describe("STRICT", () => {
  it("refuses plaintext on every port, and log and metric say why; mutual TLS goes on", async () => {
    await accept("STRICT");
    const asked = [peerOf("plain", direct()), greeting("plain", serverIp, 8082), peerOf("plain", direct(9999))];
    expect(await Promise.all(asked)).toEqual(["cut off", "", "cut off"]);
    await mesh.logged((line) => line.includes("rbac_access_denied_matched_policy[PeerAuthentication-STRICT]") && line.includes(":8080"));
    await eventually(async () => (await stat("tcp.inbound.PeerAuthentication-STRICT.rbac.denied")) > 0, 60_000, "the metric");
    expect(await peerOf("client", "http://server/")).toBe(serverId);
    expect([await greeting("client", "server", 83), await greeting("client", "server", 84)]).toEqual(["220 v1", "220 v1"]);
    expect(await mesh.run("client", { kind: "grpc", origin: "http://server:81" })).toMatchObject({ grpcStatus: "0" });
    expect(await mesh.run("client", { kind: "http2", origin: "http://server:82" })).toMatchObject({ status: 200 });
  });

  it("refuses a client that a DestinationRule sends without TLS", async () => {
    const rule = istioYaml("DestinationRule", "server", { host: "server", trafficPolicy: { tls: { mode: "DISABLE" } } });
    await mesh.apply(rule);
    expect(await peerOf("client", "http://server/")).toBe("503");
    await mesh.remove(rule);
    expect(await peerOf("client", "http://server/")).toBe(serverId);
  });

  it("leaves out a port that is told so", async () => {
    await accept("STRICT", { 8080: "PERMISSIVE" });
    expect([await peerOf("plain", direct()), await peerOf("client", "http://server/")]).toEqual(["none", serverId]);
    expect(await greeting("plain", serverIp, 8082, "hello")).toBe("");
    await accept("PERMISSIVE", { 8082: "STRICT" });
    expect([await peerOf("plain", direct()), await greeting("plain", serverIp, 8082, "hello")]).toEqual(["none", ""]);
    expect([await greeting("client", "server", 83), await greeting("client", "server", 84)]).toEqual(["220 v1", "220 v1"]);
  });
});

describe("DISABLE", () => {
  it("is plaintext for all", async () => {
    await accept("DISABLE");
    await becomes("none");
    const before = await stat(handshakes);
    expect(await peerOf("plain", direct())).toBe("none");
    expect([await greeting("client", "server", 83), await greeting("client", "server", 84)]).toEqual(["220 v1", "220 v1"]);
    expect(await stat(handshakes)).toBe(before);
  });
});

describe("modes under load", () => {
  it("change without a lost request, and open connections live on between STRICT and PERMISSIVE", async () => {
    await accept("PERMISSIVE");
    await mesh.run("client", { kind: "tcp-open", id: "held", host: "server", port: 83 });
    const report = await underLoad(mesh, { from: "client", url: "http://server/" }, async () => {
      for (let round = 0; round < 10; round++) {
        await accept("STRICT");
        await accept("PERMISSIVE");
      }
    });
    expect(lossesOf(report)).toEqual(nothing);
    expect(await mesh.run("client", { kind: "tcp-say", id: "held", text: "still here" })).toBe("v1 still here");
  });

  it("TLS is switched off and on without a lost request", async () => {
    const report = await underLoad(mesh, { from: "client", url: "http://server/" }, async () => {
      await accept("STRICT");
      await accept("DISABLE");
      await becomes("none");
      await accept("PERMISSIVE");
      await becomes(serverId);
    });
    expect(lossesOf(report)).toEqual(nothing);
  });

  it("a DestinationRule may change together with the mode", async () => {
    const both = (client: string, server: MtlsMode): string => {
      const trafficPolicy = { tls: { mode: client } };
      return yamlOf(istioYaml("DestinationRule", "server", { host: "server", trafficPolicy }), acceptsYaml("server", server));
    };
    const report = await underLoad(mesh, { from: "client", url: "http://server/" }, async () => {
      for (const mode of ["PERMISSIVE", "DISABLE", "PERMISSIVE"] as const) {
        await mesh.apply(both("ISTIO_MUTUAL", "STRICT"));
        await settled("STRICT");
        await mesh.apply(both("DISABLE", mode));
        await settled(mode);
      }
    });
    expect(lossesOf(report)).toEqual(nothing);
  });
});
