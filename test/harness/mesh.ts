// A whole mesh for end-to-end tests: `lateen up` as a user starts it, in a runtime directory of its own, with test applications in its pods.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { parseManifests } from "../../src/api/parse.ts";
import { applyResources } from "../../src/app/apply.ts";
import { createApiClient } from "../../src/http/client.ts";
import type { ApiClient } from "../../src/http/client-types.ts";
import { eventually } from "./eventually.ts";
import { root } from "./program.ts";
import { runHttp } from "./test-app-client.mjs";
import { startUp, type UpProcess } from "./up-process.ts";

const stopTimeoutMs = 20_000;

export interface TestMeshOptions {
  /** YAML of everything the mesh starts with. */
  readonly manifests: string;
  /** More images than test/app:v1…v3; external hosts. */
  readonly lateenYaml?: Readonly<Record<string, unknown>>;
  readonly args?: readonly string[];
  /** More environment of `lateen up`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Start although an object of the manifests is refused. */
  readonly badManifests?: boolean;
}

/** What runHttp of the test application counts. */
export interface LoadSummary {
  readonly total: number;
  readonly byStatus: Readonly<Record<string, number>>;
  readonly byVersion: Readonly<Record<string, number>>;
  readonly failures: readonly unknown[];
}

export interface HttpResult {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly error?: string;
  readonly ms: number;
}

export class TestMesh {
  readonly client: ApiClient;
  readonly runDir: string;
  readonly gatewayPorts: ReadonlyMap<number, number>;
  readonly #home: string;
  readonly #up: UpProcess;

  private constructor(home: string, up: UpProcess) {
    this.#home = home;
    this.#up = up;
    this.runDir = join(home, "lateen", "t");
    this.gatewayPorts = gatewayPortsIn(up.said());
    this.client = createApiClient({ socketPath: join(this.runDir, "api.sock") });
  }

  static async start(options: TestMeshOptions): Promise<TestMesh> {
    const { manifests, args = [], env = {} } = options;
    const home = mkdtempSync(join(tmpdir(), "lt-"));
    const file = join(home, "app.yaml");
    writeFileSync(file, manifests);
    writeFileSync(join(home, "lateen.yaml"), stringify(lateenYamlOf(options)));
    const check = (said: string): void => {
      if (options.badManifests !== true && said.includes(": error LTN")) throw new Error("an object was refused");
      if (said.includes("not everything is ready")) throw new Error("not everything became ready");
    };
    try {
      const up = await startUp({ home, mesh: "t", args: ["-f", file, "--timeout", "100s", ...args], env, check });
      return new TestMesh(home, up);
    } catch (error) {
      rmSync(home, { recursive: true, force: true });
      throw error;
    }
  }

  get pid(): number {
    return this.#up.pid;
  }

  /** Everything `lateen up` has printed. */
  get output(): string {
    return this.#up.said();
  }

  /** URL of the ingress gateway's port on the host. */
  gatewayUrl(port = 80): string {
    return `http://127.0.0.1:${this.gatewayPorts.get(port)}`;
  }

  /** Applies YAML and waits until every proxy has acknowledged. @throws Error when an object is refused or a proxy doesn't follow. */
  async apply(yaml: string): Promise<void> {
    const { resources, diagnostics } = parseManifests(yaml, { file: "test.yaml" });
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    if (errors.length > 0) throw new Error(JSON.stringify(errors, null, 2));
    const applied = await applyResources(this.client, resources);
    const refused = applied.resources.filter(({ outcome }) => outcome === "refused");
    if (refused.length > 0) throw new Error(JSON.stringify(refused, null, 2));
    await this.acknowledged(applied.revision);
  }

  /** Deletes every object of the YAML and waits until every proxy has acknowledged. */
  async remove(yaml: string): Promise<void> {
    const { resources } = parseManifests(yaml, { file: "test.yaml" });
    await this.client.deleteAll(
      resources.toReversed().map(({ kind, value }) => ({ kind, namespace: value.metadata.namespace, name: value.metadata.name })),
    );
    await this.acknowledged((await this.client.status()).revision);
  }

  async acknowledged(revision: number): Promise<void> {
    if (revision === 0) return;
    const reply = await this.client.waitAcknowledged(revision, { timeoutMs: 60_000 });
    if (!reply.acknowledged || reply.rejected.length > 0) throw new Error(`not acknowledged: ${JSON.stringify(reply)}`);
  }

  /** Names of the ready pods of an app. */
  async pods(app: string, namespace = "default"): Promise<readonly string[]> {
    const { items } = await this.client.list("Pod", { namespace, labelSelector: `app=${app}` });
    return items.map((item) => item.metadata.name ?? "").toSorted();
  }

  /** Sends a command to the test application in the first pod of an app; see test-app.mjs. */
  async run(app: string, command: Readonly<Record<string, unknown>>, namespace = "default"): Promise<unknown> {
    const [pod] = await this.pods(app, namespace);
    return this.runIn(pod ?? "", command);
  }

  async runIn(pod: string, command: Readonly<Record<string, unknown>>): Promise<unknown> {
    const line = await exchange(join(`${this.runDir}.shared`, `${pod}.sock`), `${JSON.stringify(command)}\n`);
    const reply: unknown = JSON.parse(line);
    if (typeof reply !== "object" || reply === null || !("ok" in reply)) throw new Error(`bad reply ${line}`);
    if (reply.ok !== true) throw new Error(`in pod ${pod}: ${"error" in reply ? String(reply.error) : line}`);
    return "result" in reply ? reply.result : undefined;
  }

  /** One HTTP request from a pod of `app`. */
  async http(app: string, url: string, request: Readonly<Record<string, unknown>> = {}): Promise<HttpResult> {
    const [result] = (await this.run(app, { kind: "http", url, ...request })) as HttpResult[];
    if (result === undefined) throw new Error("no result");
    return result;
  }

  /** Many HTTP requests from a pod of `app`, counted. */
  async load(app: string, url: string, request: Readonly<Record<string, unknown>>): Promise<LoadSummary> {
    return (await this.run(app, { kind: "http", url, summary: true, ...request })) as LoadSummary;
  }

  /** One HTTP request from the host to the ingress gateway. */
  async gateway(path: string, request: Readonly<Record<string, unknown>> & { readonly port?: number } = {}): Promise<HttpResult> {
    const [result] = await runHttp({ ...request, url: `${this.gatewayUrl(request.port)}${path}` });
    if (result === undefined) throw new Error("no result");
    return result;
  }

  /** Many HTTP requests from the host to the ingress gateway, counted. */
  async gatewayLoad(path: string, request: Readonly<Record<string, unknown>> & { readonly port?: number }): Promise<LoadSummary> {
    return runHttp({ ...request, url: `${this.gatewayUrl(request.port)}${path}`, summary: true });
  }

  /** Waits until the access logs have a line for which `test` holds; Envoy writes them with a delay. */
  async logged(test: (line: string) => boolean, what = "an access log line"): Promise<void> {
    await eventually(() => this.accessLog().split("\n").some(test), 45_000, what);
  }

  /** The access log lines of one pod's proxy so far; of very many, the last 5 MB or more. */
  accessLogOf(pod: string, namespace = "default"): string {
    const path = join(this.runDir, "logs", `${namespace}_${pod}_istio-proxy.log`);
    return [`${path}.1`, path].map(textOf).join("");
  }

  /** The access log lines of all proxies so far, or of those whose pods' names match. */
  accessLog(pods = /./): string {
    const folder = join(this.runDir, "logs");
    return readdirSync(folder)
      .filter((name) => name.includes("_istio-proxy.log") && pods.test(name))
      .map((name) => textOf(join(folder, name)))
      .join("\n");
  }

  async close(): Promise<void> {
    this.client.close();
    this.#up.kill("SIGTERM");
    const timer = setTimeout(() => this.#up.kill("SIGKILL"), stopTimeoutMs);
    await this.#up.exited;
    clearTimeout(timer);
    rmSync(this.#home, { recursive: true, force: true });
  }
}

function lateenYamlOf({ lateenYaml = {} }: TestMeshOptions): Readonly<Record<string, unknown>> {
  const image = (version: string) => ({
    command: ["node", "test-app.mjs"],
    workingDir: join(root, "test/harness"),
    env: { VERSION: version, SHARED: "${shared}" },
  });
  const images = { "test/app:v1": image("v1"), "test/app:v2": image("v2"), "test/app:v3": image("v3") };
  return { gateway: { ports: { 80: 0, 9000: 0 } }, ...lateenYaml, images: { ...images, ...Object(lateenYaml["images"]) } };
}

/** What the gateway's ports are on the host, as `lateen up` says. */
function gatewayPortsIn(said: string): ReadonlyMap<number, number> {
  const lines = said.matchAll(/gateway port (\d+) is http:\/\/127\.0\.0\.1:(\d+)/g);
  return new Map([...lines].map(([, port, host]) => [Number(port), Number(host)]));
}

/** A log file's text; none of one that is just being moved aside. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function exchange(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = "";
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("end", () => resolve(text.trim()));
    socket.write(line);
  });
}

export interface AppOptions {
  readonly namespace?: string;
  readonly replicas?: number;
  /** False: pods without a proxy. */
  readonly sidecar?: boolean;
  readonly serviceAccountName?: string;
}

/** YAML of a Deployment of the test application and, for its first version, the Service in front. */
export function appYaml(name: string, versions: readonly string[], options: AppOptions = {}): string {
  const { namespace = "default", replicas = 1, sidecar = true, serviceAccountName } = options;
  const deployments = versions.map((version) => {
    const labels = { app: name, version };
    return {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: `${name}-${version}`, namespace },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels: sidecar ? labels : { ...labels, "sidecar.istio.io/inject": "false" } },
          spec: {
            serviceAccountName,
            terminationGracePeriodSeconds: 5,
            containers: [
              {
                name: "app",
                image: `test/app:${version}`,
                ports: [{ containerPort: 8080 }, { containerPort: 8081 }, { containerPort: 8082 }],
                readinessProbe: { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 1 },
              },
            ],
          },
        },
      },
    };
  });
  return [serviceYaml(name, { namespace }), ...deployments.map((object) => stringify(object))].join("---\n");
}

const servicePorts: readonly object[] = [
  { name: "http", port: 80, targetPort: 8080 },
  { name: "grpc", port: 81, targetPort: 8081 },
  { name: "http2", port: 82, targetPort: 8081 },
  { name: "tcp", port: 83, targetPort: 8082 },
  { name: "auto", port: 84, targetPort: 8082 },
];

/** YAML of one more Service in front of an app's pods (default: of the same name). The application listens on 8080 to 8082 and 8443. */
export function serviceYaml(
  name: string,
  options: {
    readonly app?: string;
    readonly namespace?: string;
    readonly ports?: readonly object[];
    readonly spec?: Readonly<Record<string, unknown>>;
  } = {},
): string {
  const { app = name, namespace = "default", ports = servicePorts, spec = {} } = options;
  return stringify({ apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec: { selector: { app }, ports, ...spec } });
}
