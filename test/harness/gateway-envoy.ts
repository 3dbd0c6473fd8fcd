// YAML → model → translate → ADS → a real Envoy, as a gateway on loopback: the whole pipeline but store and node, without privileges.

import { createServer } from "node:net";
import { join } from "node:path";
import { SecretSchema } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { Diagnostic } from "../../src/api/diagnostic.ts";
import type { Snapshot } from "../../src/api/snapshot.ts";
import { credentialFindings } from "../../src/app/credential-findings.ts";
import { Credentials } from "../../src/app/credentials.ts";
import type { CredentialSecrets } from "../../src/app/proxy-secrets.ts";
import { decodeJson } from "../../src/envoy/codec.ts";
import type { ResourceSet } from "../../src/envoy/config.ts";
import { workloadSecretName } from "../../src/envoy/names.ts";
import type { MeshSettings } from "../../src/model/mesh.ts";
import { defaultMeshSettings } from "../../src/model/mesh.ts";
import { createModel } from "../../src/model/mesh-of.ts";
import type { ReleaseRoute } from "../../src/model/releases/release-route.ts";
import type { SettledWeights } from "../../src/model/weights.ts";
import { bootstrapOf } from "../../src/translate/bootstrap.ts";
import { createTranslator } from "../../src/translate/proxy-config.ts";
import { AdsServer } from "../../src/xds/ads-server.ts";
import type { Desired } from "../../src/xds/proxy-session.ts";
import type { RunningEnvoy } from "./envoy.ts";
import { startEnvoy, temporaryFolder } from "./envoy.ts";
import type { TestCertificate } from "./test-identities.ts";
import { startTestSecrets, type TestSecrets } from "./test-secrets.ts";
import { resourcesOf, snapshotOf, withEndpoints, withoutBuiltInLog } from "./world.ts";

export interface GatewayEnvoy extends AsyncDisposable {
  readonly envoy: RunningEnvoy;
  /** Replaces the world, and the fetched key sets if some are given; resolves when the gateway has acknowledged it. */
  apply(yaml: string, jwks?: ReadonlyMap<string, string>): Promise<void>;
  /** Replaces the releases; resolves when the gateway has acknowledged it. */
  release(releases: readonly ReleaseRoute[]): Promise<void>;
  /** The gateway's own certificate, which the whole mesh accepts. */
  meshCertificate(): TestCertificate;
  /** What is said about the credentials of the newest world. */
  findings(): readonly Diagnostic[];
  /** One counter or gauge; 0 when it does not exist. */
  stat(name: string): Promise<number>;
}

export interface GatewayOptions {
  readonly now?: () => number;
  /** Makes the secrets; it gets the world's credentials. */
  readonly secretsOf?: (credentials: CredentialSecrets) => TestSecrets;
}

const gatewayId = "gw.test";
const acknowledgedWithinMs = 15_000;

/** The gateway's pod, in whatever world. */
const gatewayPod = `
apiVersion: v1
kind: Pod
metadata: {name: gw, namespace: test, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: auto}]}
status: {podIP: 127.0.0.1}
---
`;

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** A Gateway with one server on loopback. */
export function gatewayYaml(port: number, protocol: "HTTP" | "TCP" | "TLS"): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: test}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: ${port}, name: any, protocol: ${protocol}}, bind: 127.0.0.1, hosts: ["*"]}]}
---
`;
}

/**
 * Starts the control plane's core and a gateway. The mesh's retries are off, so that every failure is seen, and so is automatic mutual TLS:
 * pods of such a world are servers of the test, without sidecars. Secrets of the world are the gateway's credentials, judged at `now`.
 */
export async function startGatewayEnvoy(
  yaml: string,
  settings: Partial<MeshSettings> = {},
  { now = Date.now, secretsOf = startTestSecrets }: GatewayOptions = {},
): Promise<GatewayEnvoy> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  const model = createModel();
  const translate = createTranslator();
  const all: MeshSettings = {
    ...defaultMeshSettings,
    accessLogFile: "",
    telemetry: withoutBuiltInLog,
    defaultHttpRetryPolicy: { attempts: 0 },
    enableAutoMtls: false,
    ...settings,
  };
  const credentials = new Credentials({ kept: new Map(), onKeep: () => {} });
  const secrets = cleanup.use(secretsOf((namespace, name) => credentials.secretResource(namespace, name)));
  const resolved = new Map<string, readonly string[]>();
  let settled: SettledWeights = new Map();
  let keySets: ReadonlyMap<string, string> = new Map();
  let snapshot: Snapshot | undefined;
  let findings: readonly Diagnostic[] = [];
  let world = yaml;
  let releases: readonly ReleaseRoute[] = [];
  const desiredOf = (text: string): Desired => {
    world = text;
    const revision = (snapshot?.revision ?? 0) + 1;
    snapshot = snapshotOf(withEndpoints(resourcesOf(gatewayPod + text)), revision, snapshot);
    credentials.update(snapshot, now());
    const mesh = model.meshOf(snapshot, { settings: all, resolved, settled, credentials: credentials.usable, jwks: keySets, releases });
    settled = mesh.settled;
    findings = credentialFindings(snapshot, { credentials, proxies: mesh.proxies, nowMs: now() });
    const proxy = mesh.proxies.get(gatewayId);
    if (proxy === undefined) throw new Error("no gateway");
    return { config: secrets.withSecrets(translate(mesh, proxy), mesh, proxy), revision };
  };
  let desired = desiredOf(yaml);
  const ads = new AdsServer({ generate: () => desired });
  cleanup.defer(() => ads.close());
  const xdsPath = join(folder.path, "xds.sock");
  await ads.openSocket(gatewayId, xdsPath);
  const options = { kind: "gateway", podName: "gw", namespace: "test", xdsPath, adminPath: "unused", marked: false } as const;
  const envoy = cleanup.use(await startEnvoy(bootstrapOf(options)));
  const push = async (text: string): Promise<void> => {
    desired = desiredOf(text);
    ads.setDesired(gatewayId, desired);
    const { status } = await acknowledged(ads, desired.revision);
    if (status !== undefined) throw new Error(`the gateway did not acknowledge: ${status}`);
  };
  const stack = cleanup.move();
  return {
    envoy,
    apply: (text, jwks) => {
      keySets = jwks ?? keySets;
      return push(text);
    },
    release: (next) => {
      releases = next;
      return push(world);
    },
    meshCertificate: () => certificateIn(desired.config.secrets),
    findings: () => findings,
    stat: async (name) => {
      const { stats }: { readonly stats: readonly { readonly name?: string; readonly value?: number }[] } = JSON.parse(
        await envoy.admin("/stats?format=json"),
      );
      return stats.find((stat) => stat.name === name)?.value ?? 0;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function certificateIn(secrets: ResourceSet): TestCertificate {
  const own = secrets.get(workloadSecretName);
  const { tlsCertificate } = own === undefined ? {} : decodeJson(SecretSchema, own.bytes);
  return { certificatePem: tlsCertificate?.certificateChain?.inlineString ?? "", keyPem: tlsCertificate?.privateKey?.inlineString ?? "" };
}

async function acknowledged(ads: AdsServer, revision: number): Promise<{ readonly status: string | undefined }> {
  const signal = AbortSignal.timeout(acknowledgedWithinMs);
  await ads.whenAcknowledged(revision, signal);
  const statuses = ads.status();
  const done = !signal.aborted && statuses.every(({ acknowledgedRevision }) => (acknowledgedRevision ?? -1) >= revision);
  return { status: done ? undefined : JSON.stringify(statuses) };
}
