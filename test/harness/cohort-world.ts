// Two services with two versions each behind a gateway on loopback, and clients who name themselves: for tests of who gets which version.

import { Agent, createServer, request } from "node:http";
import { stringify } from "yaml";
import { freePort, gatewayYaml } from "./gateway-envoy.ts";
import { istioYaml, yamlOf } from "./traffic-yaml.ts";

export interface CohortWorld extends AsyncDisposable {
  readonly yaml: string;
  readonly port: number;
  ask(host: string, headers?: Readonly<Record<string, string>>): Promise<CohortAnswer>;
}

export interface CohortAnswer {
  readonly status: number;
  /** "v1" or "v2". */
  readonly version: string;
  /** What the application was told. */
  readonly baggage: string;
  readonly cookies: readonly string[];
}

const services = ["catalog", "stock"];

/** Starts the servers; hosts are "catalog.example" and "stock.example", and both services are in namespace test. */
export async function startCohortWorld(): Promise<CohortWorld> {
  await using cleanup = new AsyncDisposableStack();
  const [port, serverPort] = await Promise.all([freePort(), freePort()]);
  const documents: string[] = [];
  for (const [index, name] of services.entries()) {
    const metadata = { name, namespace: "test" };
    const ports = [{ name: "http", port: 80, targetPort: serverPort }];
    documents.push(
      stringify({
        apiVersion: "v1",
        kind: "Service",
        metadata,
        spec: { clusterIP: `198.19.0.${index + 1}`, selector: { app: name }, ports },
      }),
    );
    for (const [place, version] of ["v1", "v2"].entries()) {
      const podIP = `127.0.1.${10 * index + place + 1}`;
      documents.push(podYaml(name, version, podIP));
      cleanup.use(await startServer(version, { address: podIP, port: serverPort }));
    }
    const http = [{ route: [{ destination: { host: name } }] }];
    documents.push(istioYaml("VirtualService", `test/${name}`, { hosts: [`${name}.example`], gateways: ["gateway"], http }));
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 24 });
  cleanup.defer(() => agent.destroy());
  const stack = cleanup.move();
  return {
    yaml: gatewayYaml(port, "HTTP") + yamlOf(...documents),
    port,
    ask: (host, headers = {}) => ask({ agent, port, headers: { ...headers, host } }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function podYaml(app: string, version: string, podIP: string): string {
  return stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `${app}-${version}`, namespace: "test", uid: `${app}-${version}`, labels: { app, version } },
    spec: { containers: [{ name: "app" }] },
    status: { podIP, conditions: [{ type: "Ready", status: "True" }] },
  });
}

async function startServer(version: string, place: { readonly address: string; readonly port: number }): Promise<AsyncDisposable> {
  const server = createServer((asked, answer) => {
    answer.setHeader("x-version", version);
    answer.setHeader("x-baggage", String(asked.headers["baggage"] ?? ""));
    answer.end();
  });
  // Nothing retries here, so a connection that waits for the next step must not be closed under a request.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(place.port, place.address, resolve);
  });
  return {
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function ask(options: {
  readonly agent: Agent;
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
}): Promise<CohortAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", ...options }, (response) => {
      response.resume();
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          version: String(response.headers["x-version"] ?? ""),
          baggage: String(response.headers["x-baggage"] ?? ""),
          cookies: response.headers["set-cookie"] ?? [],
        }),
      );
    });
    sent.on("error", reject);
    sent.end();
  });
}
