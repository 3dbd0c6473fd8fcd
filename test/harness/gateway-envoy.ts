// YAML → model → translate → ADS → a real Envoy, as a gateway on loopback: the whole pipeline but store and node, without privileges.

import { createServer } from "node:net";
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
import { createTranslator } from "../../src/translate/proxy-config.ts";
import type { Desired } from "../../src/xds/proxy-session.ts";
import type { RunningEnvoy } from "./envoy.ts";
import { startServedEnvoy } from "./served-envoy.ts";
import type { TestCertificate } from "./test-identities.ts";
import { startTestSecrets, type TestSecrets } from "./test-secrets.ts";
import { resourcesOf, snapshotOf, withEndpoints, withoutBuiltInLog } from "./world.ts";

export interface GatewayEnvoy extends AsyncDisposable {
  readonly envoy: RunningEnvoy;
  /** Replaces the world, and the fetched key sets if some are given; resolves when the gateway has acknowledged it. */
  apply(yaml: string, jwks?: ReadonlyMap<string, string>): Promise<void>;
  /** Replaces the releases; resolves when the gateway has acknowledged it. */
  release(releases: readonly ReleaseRoute[]): Promise<void>;
  /** Has the gateway count every try, or no longer; resolves when it has acknowledged it. */
  count(isCounting: boolean): Promise<void>;
  /** The gateway's own certificate, which the whole mesh accepts. */
  meshCertificate(): TestCertificate;
  /** What is said about the credentials of the newest world. */
  findings(): readonly Diagnostic[];
  /** One counter or gauge; 0 when it does not exist. */
  stat(name: string): Promise<number>;
}

export interface GatewayOptions {
  readonly now?: () => number;
  /** Whether it counts tries from the start; not unless given. */
  readonly isCounting?: boolean;
  /** Makes the secrets; it gets the world's credentials. */
  readonly secretsOf?: (credentials: CredentialSecrets) => TestSecrets;
}

const gatewayId = "gw.test";

/** The gateway's pod, in whatever world. */
const gatewayPod = `
apiVersion: v1
kind: Pod
metadata: {name: gw, namespace: test, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: auto}]}
status: {podIP: 127.0.0.1}
---
`;

/** Below those that the kernel gives to connections and to whoever wants any port: only another test takes one of these meanwhile. */
const ports = { from: 12_000, count: 20_000 };
/** Two test files at the same time begin far from each other. */
let nextPort = (process.pid * 97) % ports.count;

/** A port of loopback that is free, and that this process hasn't named before. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < ports.count; tries += 1) {
    const port = ports.from + nextPort;
    nextPort = (nextPort + 1) % ports.count;
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  throw new Error("no port is free");
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
  options: GatewayOptions = {},
): Promise<GatewayEnvoy> {
  await using cleanup = new AsyncDisposableStack();
  const core = cleanup.use(new GatewayCore(settings, options));
  let desired = core.desiredOf(yaml);
  const { envoy, push } = cleanup.use(await startServedEnvoy({ kind: "gateway", proxyId: gatewayId, desired }));
  const pushed = (text: string): Promise<void> => {
    desired = core.desiredOf(text);
    return push(desired);
  };
  const stack = cleanup.move();
  return {
    envoy,
    apply: (text, jwks) => {
      core.keySets = jwks ?? core.keySets;
      return pushed(text);
    },
    release: (releases) => {
      core.releases = releases;
      return pushed(core.yaml);
    },
    count: (isCounting) => {
      core.isCounting = isCounting;
      return pushed(core.yaml);
    },
    meshCertificate: () => certificateIn(desired.config.secrets),
    findings: () => core.findings,
    stat: async (name) => {
      const { stats }: { readonly stats: readonly { readonly name?: string; readonly value?: number }[] } = JSON.parse(
        await envoy.admin("/stats?format=json"),
      );
      return stats.find((stat) => stat.name === name)?.value ?? 0;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Worlds → what the gateway is to have: model, translation and secrets, which remember from world to world. */
class GatewayCore implements Disposable {
  /** The newest world. */
  yaml = "";
  keySets: ReadonlyMap<string, string> = new Map();
  releases: readonly ReleaseRoute[] = [];
  isCounting: boolean;
  /** About the newest world's credentials. */
  findings: readonly Diagnostic[] = [];
  readonly #settings: MeshSettings;
  readonly #now: () => number;
  readonly #model = createModel();
  readonly #translate = createTranslator();
  readonly #credentials = new Credentials({ kept: new Map(), onKeep: () => {} });
  readonly #secrets: TestSecrets;
  readonly #resolved = new Map<string, readonly string[]>();
  #settled: SettledWeights = new Map();
  #snapshot: Snapshot | undefined;

  constructor(settings: Partial<MeshSettings>, { now = Date.now, secretsOf = startTestSecrets, isCounting = false }: GatewayOptions) {
    this.isCounting = isCounting;
    this.#settings = {
      ...defaultMeshSettings,
      accessLogFile: "",
      telemetry: withoutBuiltInLog,
      defaultHttpRetryPolicy: { attempts: 0 },
      enableAutoMtls: false,
      ...settings,
    };
    this.#now = now;
    this.#secrets = secretsOf((namespace, name) => this.#credentials.secretResource(namespace, name));
  }

  desiredOf(yaml: string): Desired {
    this.yaml = yaml;
    const revision = (this.#snapshot?.revision ?? 0) + 1;
    const snapshot = snapshotOf(withEndpoints(resourcesOf(gatewayPod + yaml)), revision, this.#snapshot);
    this.#snapshot = snapshot;
    this.#credentials.update(snapshot, this.#now());
    const mesh = this.#model.meshOf(snapshot, {
      settings: this.#settings,
      resolved: this.#resolved,
      settled: this.#settled,
      credentials: this.#credentials.usable,
      jwks: this.keySets,
      releases: this.releases,
      counting: () => new Set(this.isCounting ? [gatewayId] : []),
    });
    this.#settled = mesh.settled;
    this.findings = credentialFindings(snapshot, { credentials: this.#credentials, proxies: mesh.proxies, nowMs: this.#now() });
    const proxy = mesh.proxies.get(gatewayId);
    if (proxy === undefined) throw new Error("no gateway");
    return { config: this.#secrets.withSecrets(this.#translate(mesh, proxy), mesh, proxy), revision };
  }

  [Symbol.dispose](): void {
    this.#secrets[Symbol.dispose]();
  }
}

function certificateIn(secrets: ResourceSet): TestCertificate {
  const own = secrets.get(workloadSecretName);
  const { tlsCertificate } = own === undefined ? {} : decodeJson(SecretSchema, own.bytes);
  return { certificatePem: tlsCertificate?.certificateChain?.inlineString ?? "", keyPem: tlsCertificate?.privateKey?.inlineString ?? "" };
}
