// Peers that don't belong, against real sidecars: clients with bad certificates from a pod without a proxy, and servers that are somebody else.
// Each is refused, and access log and metric say why.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { envoyStats } from "../harness/outage.ts";
import { plugInDirectory } from "../harness/plug-in-ca.ts";
import { acceptsYaml, policyYaml } from "../harness/security-yaml.ts";
import { type TestCertificate, testAuthority } from "../harness/test-identities.ts";
import { istioYaml, yamlOf } from "../harness/traffic-yaml.ts";

const root = testAuthority();
const stranger = testAuthority();
const files = plugInDirectory(root);
const friend = "spiffe://cluster.local/ns/default/sa/friend";
const victim = "spiffe://cluster.local/ns/default/sa/victim";
const hour = 3_600_000;
const at = (fromHours: number, toHours: number) => ({ from: Date.now() + fromHours * hour, to: Date.now() + toHours * hour });

let mesh: TestMesh;
let serverPod = "";
let clientPod = "";
let serverIp = "";

beforeAll(async () => {
  const manifests = yamlOf(
    appYaml("client", ["v1"], { serviceAccountName: "friend" }),
    appYaml("server", ["v1"]),
    appYaml("plain", ["v1"], { sidecar: false }),
    "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: friend, namespace: default}\n",
    acceptsYaml("server", "STRICT"),
    policyYaml("friends", "server", { rules: [{ from: [{ source: { principals: ["cluster.local/ns/default/sa/friend"] } }] }] }),
  );
  mesh = await TestMesh.start({ manifests, env: { LATEEN_CA_DIRECTORY: files.path } });
  [[serverPod = ""], [clientPod = ""]] = await Promise.all([mesh.pods("server"), mesh.pods("client")]);
  serverIp = await ipOf("server");
});
afterAll(async () => {
  await mesh?.close();
  files[Symbol.dispose]();
});

async function ipOf(app: string): Promise<string> {
  const { pods } = await mesh.client.status();
  return pods.find(({ name }) => name.startsWith(`${app}-`))?.ip ?? "";
}

interface Said {
  readonly text: string;
}

/** One request by hand from the pod without a sidecar; the status line of the answer, "" when there is none. */
async function ask(certificate: TestCertificate | undefined, port = 8080): Promise<string> {
  const identity = certificate === undefined ? {} : { cert: certificate.certificatePem, key: certificate.keyPem };
  const alpn = ["istio-http/1.1", "istio"];
  const text = "GET /hostile HTTP/1.1\r\nhost: server\r\nconnection: close\r\n\r\n";
  const said = (await mesh.run("plain", { kind: "tls-say", host: serverIp, port, alpn, text, ...identity })) as Said;
  return said.text.split("\r\n")[0] ?? "";
}

/** What `action` added to a pod's access log, once it has what is looked for. */
async function newLines(pod: string, looksFor: RegExp, action: () => Promise<void>): Promise<string> {
  const before = mesh.accessLogOf(pod).length;
  await action();
  let added = "";
  const isThere = () => {
    added = mesh.accessLogOf(pod).slice(before);
    return looksFor.test(added);
  };
  await eventually(isThere, 45_000, `${looksFor} in the log`).catch((error: unknown) => {
    throw new Error(`${String(error)}; it has:\n${added}`);
  });
  return added;
}

async function stat(pod: string, name: string): Promise<number> {
  return (await envoyStats(mesh, pod, /\.ssl\.|\.rbac\./))[name] ?? 0;
}

describe("a client", () => {
  it("with an honest certificate gets in", async () => {
    expect(await ask(root.issue({ uri: friend }))).toBe("HTTP/1.1 200 OK");
    expect((await mesh.http("client", "http://server/")).status).toBe(200);
  });

  it.each([
    ["expired", root.issue({ uri: friend, validMs: at(-2, -1) }), /certificate_has_expired/, "fail_verify_error"],
    ["not yet valid", root.issue({ uri: friend, validMs: at(1, 2) }), /certificate_is_not_yet_valid/, "fail_verify_error"],
    ["of another root", stranger.issue({ uri: friend }), /unable_to_get_local_issuer_certificate/, "fail_verify_error"],
    [
      "self-signed",
      root.selfSigned({ uri: friend }),
      /self.signed_certificate|unable_to_get_local_issuer_certificate/,
      "fail_verify_error",
    ],
    [
      "of another trust domain, with a DNS name that reads like a friend's identity",
      root.issue({ uri: "spiffe://elsewhere/ns/default/sa/friend", dnsNames: [friend, "cluster.local/ns/default/sa/friend"] }),
      /_SAN_matcher/,
      "fail_verify_san",
    ],
    ["missing", undefined, /PEER_DID_NOT_RETURN_A_CERTIFICATE/, "fail_verify_no_cert"],
  ])("whose certificate is %s is refused", async (_what, certificate, reason, metric) => {
    const name = `listener.0.0.0.0_15006.ssl.${metric}`;
    const before = await stat(serverPod, name);
    const log = await newLines(serverPod, reason, async () => expect(await ask(certificate)).toBe(""));
    expect(log).not.toContain("/hostile");
    expect(await stat(serverPod, name)).toBe(before + 1);
  });

  it.each([
    ["of another namespace", root.issue({ uri: "spiffe://cluster.local/ns/other/sa/friend" })],
    [
      "of another account, with a DNS name that reads like a friend's identity",
      root.issue({ uri: "spiffe://cluster.local/ns/default/sa/nobody", dnsNames: [friend, "cluster.local/ns/default/sa/friend"] }),
    ],
  ])("whose good certificate is %s is denied by the policy, which is named", async (_what, certificate) => {
    const name = "http.inbound_8080.rbac.policy.ns[default]-policy[friends]-rule[none].denied";
    const before = await stat(serverPod, name);
    await newLines(serverPod, /"GET \/hostile HTTP\/1\.1" 403 .*ns\[default\]-policy\[friends\]/, async () => {
      expect(await ask(certificate)).toBe("HTTP/1.1 403 Forbidden");
    });
    expect(await stat(serverPod, name)).toBe(before + 1);
  });

  it("that is denied on a TCP port is cut off, and the policy is named", async () => {
    const intruder = root.issue({ uri: "spiffe://cluster.local/ns/other/sa/friend" });
    await newLines(serverPod, /ns\[default\]-policy\[friends\]/, async () => expect(await ask(intruder, 8082)).toBe(""));
    expect(await ask(root.issue({ uri: friend }), 8082)).toContain("220 v1");
  });

  it("in plaintext is refused, and the mode is named", async () => {
    await newLines(serverPod, /PeerAuthentication-STRICT/, async () => {
      expect((await mesh.http("plain", `http://${serverIp}:8080/hostile`)).status).toBe(0);
    });
    expect(await stat(serverPod, "tcp.inbound.PeerAuthentication-STRICT.rbac.denied")).toBeGreaterThan(0);
  });
});

describe("a server", () => {
  const impostor = "spiffe://cluster.local/ns/default/sa/impostor";
  const certificates = [
    root.issue({ uri: victim }),
    root.issue({ uri: impostor, dnsNames: [victim, "cluster.local/ns/default/sa/victim"] }),
    stranger.issue({ uri: victim }),
    root.issue({ uri: victim, validMs: at(-2, -1) }),
  ];
  const ports = certificates.map((_, index) => ({ number: 80 + index, name: `http-${index}`, protocol: "HTTP", targetPort: 9441 + index }));

  beforeAll(async () => {
    for (const [index, { certificatePem, keyPem }] of certificates.entries()) {
      await mesh.run("plain", { kind: "tls-serve", port: 9441 + index, cert: certificatePem, key: keyPem });
    }
    const entry = {
      hosts: ["victim.test"],
      addresses: ["240.240.1.1"],
      location: "MESH_INTERNAL",
      resolution: "STATIC",
      ports,
      endpoints: [{ address: await ipOf("plain") }],
      subjectAltNames: [victim],
    };
    const tls = { trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } };
    await mesh.apply(
      yamlOf(istioYaml("ServiceEntry", "victim", entry), istioYaml("DestinationRule", "victim", { host: "victim.test", ...tls })),
    );
  });

  it("that is who it should be is believed, and told who asks", async () => {
    const { status, body } = await mesh.http("client", "http://victim.test/");
    expect([status, body]).toEqual([200, JSON.stringify({ client: `URI:${friend}, DNS:v1.client-v1.default.workload.lateen` })]);
  });

  it.each([
    ["has another account, and a DNS name that reads like the right one", 81, /_SAN_matcher/, "fail_verify_san"],
    ["has another root", 82, /unable_to_get_local_issuer_certificate/, "fail_verify_error"],
    ["has expired", 83, /certificate_has_expired/, "fail_verify_error"],
  ])("that %s gets no request", async (_what, port, reason, metric) => {
    const name = `cluster.outbound|${port}||victim_test.ssl.${metric}`;
    const before = await stat(clientPod, name);
    const log = await newLines(clientPod, reason, async () => {
      expect((await mesh.http("client", `http://victim.test:${port}/`)).status).toBe(503);
    });
    expect(log).toMatch(/503 \S*(URX|UF)/);
    expect(await stat(clientPod, name)).toBeGreaterThan(before);
  });

  it("of the mesh with another account than a DestinationRule asks for gets no request", async () => {
    const tls = { mode: "ISTIO_MUTUAL", subjectAltNames: [victim] };
    const rule = istioYaml("DestinationRule", "server", { host: "server", trafficPolicy: { tls } });
    await mesh.apply(rule);
    await newLines(clientPod, /_SAN_matcher/, async () => {
      expect((await mesh.http("client", "http://server/")).status).toBe(503);
    });
    await mesh.remove(rule);
    expect((await mesh.http("client", "http://server/")).status).toBe(200);
  });
});
