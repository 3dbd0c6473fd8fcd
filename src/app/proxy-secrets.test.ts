import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, expect, test } from "vitest";
import { SecretSchema } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { worldOf } from "../../test/harness/world.ts";
import { openAuthority } from "../ca/authority.ts";
import { WorkloadCertificates } from "../ca/workload-certificates.ts";
import type { EncodedResource, ProxyConfig } from "../envoy/config.ts";
import { credentialSecretName, rootsSecretName, workloadSecretName } from "../envoy/names.ts";
import { durationMs } from "../lib/duration.ts";
import { tlsCertificateSecret } from "../translate/secret/secret.ts";
import { ProxySecrets } from "./proxy-secrets.ts";

const folder = mkdtempSync(join(tmpdir(), "lateen-secrets-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const authority = openAuthority({ directory: join(folder, "ca"), trustDomain: "cluster.local" });
const certificates = new WorkloadCertificates({ authority });

const pod = (name: string, namespace: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${namespace}, uid: ${name}, labels: {version: v7}}
spec: {serviceAccountName: ${name}, containers: [{name: app}]}
status: {podIP: 198.18.0.2}
---`;
const { mesh } = worldOf(pod("web", "a") + pod("api", "b"));

const shopCert = tlsCertificateSecret(credentialSecretName("shop"), { chainPem: "chain", keyPem: "key" });
const asked: string[] = [];
const secrets = new ProxySecrets({
  authority,
  certificates,
  credentials: (namespace, name) => {
    asked.push(`${namespace} ${name}`);
    return namespace === "a" && name === credentialSecretName("shop") ? shopCert : undefined;
  },
  systemRootsPem: () => "",
  standInRootsPem: () => undefined,
});

/** A configuration with one listener that names secrets. */
function configNaming(...names: readonly string[]): ProxyConfig {
  const listener: EncodedResource = {
    type: "lds",
    name: "l",
    version: "1",
    bytes: new Uint8Array(),
    references: names.map((name) => ({ type: "sds", name })),
    sources: [],
  };
  const none = new Map();
  return {
    clusters: none,
    endpoints: none,
    listeners: new Map([["l", listener]]),
    routes: none,
    secrets: none,
    extensions: none,
    runtime: none,
    removalGrace: durationMs(0),
  };
}

function secretsOf(proxyId: string, config: ProxyConfig): ProxyConfig["secrets"] {
  const proxy = mesh.proxies.get(proxyId);
  if (proxy === undefined) throw new Error(`no proxy ${proxyId}`);
  secrets.generation(mesh);
  return secrets.withSecrets(config, proxy).secrets;
}

test("a proxy gets what its configuration names, the certificate of its own identity, and nothing else", () => {
  const mine = secretsOf("web.a", configNaming(workloadSecretName, rootsSecretName));
  expect([...mine.keys()]).toEqual([rootsSecretName, workloadSecretName]);
  const resource = mine.get(workloadSecretName);
  const secret = fromBinary(SecretSchema, resource?.bytes ?? new Uint8Array());
  const chain = secret.type.case === "tlsCertificate" ? secret.type.value.certificateChain?.specifier.value : undefined;
  expect(chain).toBe(
    certificates.certificateOf({
      trustDomain: "cluster.local",
      namespace: "a",
      serviceAccount: "web",
      workload: { name: "web", version: "v7" },
    }).chainPem,
  );
  expect(secretsOf("api.b", configNaming(workloadSecretName)).get(workloadSecretName)?.version).not.toBe(resource?.version);
});

test("credentials are looked up in the proxy's own namespace, and a missing one is left out", () => {
  const config = configNaming(credentialSecretName("shop"));
  expect(secretsOf("web.a", config).get(credentialSecretName("shop"))?.sources).toEqual(["Secret a/shop"]);
  expect(secretsOf("api.b", config).size).toBe(0);
  expect(asked).toEqual([`a ${credentialSecretName("shop")}`, `b ${credentialSecretName("shop")}`]);
});

test("nothing new is the same object, a renewed certificate is another", () => {
  const config = configNaming(workloadSecretName);
  const before = secretsOf("web.a", config);
  expect(secretsOf("web.a", config)).toBe(before);
  certificates.expireAll();
  certificates.renewDue();
  expect(secretsOf("web.a", config)).not.toBe(before);
});
