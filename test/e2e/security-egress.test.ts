// What leaves the mesh: REGISTRY_ONLY says what it refused and what would open it, and sidecars make TLS to hosts outside, with whom they trust
// and with a certificate of their own.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { lateenOn } from "../harness/cli.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { testAuthority } from "../harness/test-identities.ts";
import { istioYaml, meshConfigYaml, yamlOf } from "../harness/traffic-yaml.ts";

const hosts = ["closed.out.test", "api.out.test", "fake.out.test"] as const;
const authority = testAuthority();
const stranger = testAuthority();
const clients = testAuthority();
const folder = mkdtempSync(join(tmpdir(), "lt-egress-"));
const caFile = join(folder, "ca.pem");
const tlsPort = 9443;
let mesh: TestMesh;

function external(host: string): object {
  const workingDir = fileURLToPath(new URL("../harness", import.meta.url));
  const env = { VERSION: host.split(".")[0] ?? "", SHARED: "${shared}" };
  return { command: ["node", "test-app.mjs"], workingDir, env, ports: [8080, 8082, 8443, tlsPort], caFile };
}

const registryOnly = meshConfigYaml({ outboundTrafficPolicy: { mode: "REGISTRY_ONLY" } });
const outside = (name: string, names: readonly string[]): string =>
  istioYaml("ServiceEntry", name, {
    hosts: names,
    ports: [{ number: 80, name: "http", protocol: "HTTP", targetPort: tlsPort }],
    resolution: "DNS",
    location: "MESH_EXTERNAL",
  });
const originates = (host: string, tls: object): string =>
  istioYaml("DestinationRule", host, { host, workloadSelector: { matchLabels: { app: "client" } }, trafficPolicy: { tls } });

beforeAll(async () => {
  writeFileSync(caFile, authority.certificatePem);
  const manifests = yamlOf(
    registryOnly,
    appYaml("client", ["v1"]),
    outside("api", ["api.out.test"]),
    outside("fake", ["fake.out.test"]),
    ...["api.out.test", "fake.out.test"].map((host) => originates(host, { mode: "SIMPLE" })),
  );
  mesh = await TestMesh.start({ manifests, lateenYaml: { external: Object.fromEntries(hosts.map((host) => [host, external(host)])) } });
  const uri = "https://api.out.test/";
  const certificates = {
    "api.out.test": authority.issue({ uri, dnsNames: ["api.out.test"] }),
    "fake.out.test": stranger.issue({ uri, dnsNames: ["fake.out.test"] }),
  };
  for (const [host, { certificatePem, keyPem }] of Object.entries(certificates)) {
    await mesh.runIn(host, { kind: "tls-serve", port: tlsPort, cert: certificatePem, key: keyPem });
  }
});
afterAll(async () => {
  await mesh?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("REGISTRY_ONLY", () => {
  it("says to the application, in the log and to people what it refused, and the ServiceEntry it offers opens it", async () => {
    const { status, body } = await mesh.http("client", "http://closed.out.test:8080/");
    expect(status).toBe(502);
    expect(body).toContain("closed.out.test:8080");
    expect(body).toContain("ServiceEntry");
    const tls = Object(await mesh.run("client", { kind: "tls", host: "closed.out.test", port: 8443 }));
    expect(tls.error).toBe("ECONNRESET");
    await mesh.logged((line) => line.includes("block_all") && line.includes('"closed.out.test:8080"'));
    await mesh.logged((line) => line.includes("BlackHoleCluster") && line.includes("closed.out.test"));
    const { stdout } = await lateenOn(mesh, ["egress", "blocked"]);
    expect(stdout).toMatch(/default +client-v1 +\S+ closed\.out\.test:8080 +HTTP +1 /);
    expect(stdout).toMatch(/default +client-v1 +\S+ closed\.out\.test:8443 +TLS +1 /);
    const open = (await lateenOn(mesh, ["egress", "blocked", "-o", "yaml"])).stdout;
    await mesh.apply(open);
    await eventually(async () => (await mesh.http("client", "http://closed.out.test:8080/")).status === 200, 60_000, "the host opened");
    expect(Object(await mesh.run("client", { kind: "tls", host: "closed.out.test", port: 8443 })).version).toBe("closed");
  });
});

describe("TLS by the sidecar", () => {
  /** What the host was told of the client's certificate, or the status. */
  async function told(host: string): Promise<string> {
    const { status, body } = await mesh.http("client", `http://${host}/`);
    return status === 200 ? String(JSON.parse(body).client) : String(status);
  }

  it("SIMPLE reaches the host, and no host that somebody else vouches for", async () => {
    expect(await told("api.out.test")).toBe("");
    expect(await told("fake.out.test")).toBe("503");
    await mesh.logged((line) => line.includes("outbound|80||fake.out.test") && line.includes("CERTIFICATE_VERIFY_FAILED"));
  });

  it("SIMPLE checks the name that the rule asks for", async () => {
    await mesh.apply(originates("api.out.test", { mode: "SIMPLE", sni: "api.out.test", subjectAltNames: ["other.out.test"] }));
    expect(await told("api.out.test")).toBe("503");
    await mesh.logged((line) => line.includes("outbound|80||api.out.test") && line.includes("_SAN_matcher"));
  });

  it("MUTUAL shows the Secret's certificate, a new one once the Secret changes", async () => {
    const secret = (account: string): string => {
      const { certificatePem, keyPem } = clients.issue({ uri: `spiffe://partner/${account}` });
      const stringData = { "tls.crt": certificatePem, "tls.key": keyPem, "ca.crt": authority.certificatePem };
      return stringify({ apiVersion: "v1", kind: "Secret", metadata: { name: "partner", namespace: "default" }, stringData });
    };
    await mesh.apply(yamlOf(secret("one"), originates("api.out.test", { mode: "MUTUAL", credentialName: "partner" })));
    await eventually(async () => (await told("api.out.test")) === "URI:spiffe://partner/one", 60_000, "the first certificate");
    await mesh.apply(secret("two"));
    await eventually(async () => (await told("api.out.test")) === "URI:spiffe://partner/two", 60_000, "the second certificate");
  });
});
