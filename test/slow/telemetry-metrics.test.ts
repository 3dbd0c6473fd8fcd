// Known traffic through real sidecars and a gateway: Istio's series with exactly the counts that were sent, of every protocol, code and flag.

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askAdmin } from "../../src/platform/local/sidecar.ts";
import type { TextSample } from "../../src/telemetry/prometheus/family.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { envoyStats } from "../harness/outage.ts";
import { releaseYaml } from "../harness/releases.ts";
import { keySetOf, tokenSigner } from "../harness/tokens.ts";
import { istioYaml, routedServiceYaml, to, yamlOf } from "../harness/traffic-yaml.ts";
import { lossesOf, nothing, underLoad } from "../harness/under-load.ts";

let mesh: TestMesh;

const routes: Readonly<Record<string, readonly object[]>> = {
  plain: [to("plain", "v1")],
  slow: [{ timeout: "0.2s", ...to("slow", "v1") }],
  retry: [{ retries: { attempts: 2, retryOn: "5xx", backoff: "1ms" }, ...to("retry", "v1") }],
  fault: [{ fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }, ...to("fault", "v1") }],
  answer: [{ directResponse: { status: 204 } }],
  copied: [{ mirror: { host: "copied", subset: "v2" }, ...to("copied", "v1") }],
};

const signer = tokenSigner("ES256", "one");
const selector = { matchLabels: { app: "server" } };
const security = (kind: string, name: string, spec: object): string =>
  istioYaml(kind, name, spec).replace("networking.istio.io/v1", "security.istio.io/v1");
const denied = {
  selector,
  action: "DENY",
  rules: [{ to: [{ operation: { paths: ["/denied"], ports: ["8080"] } }] }],
};

beforeAll(async () => {
  const gateway = {
    selector: { istio: "ingressgateway" },
    servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
  };
  const manifests = yamlOf(
    appYaml("client", ["v1"]),
    appYaml("server", ["v1", "v2"]),
    appYaml("outsider", ["v1"], { sidecar: false }),
    ...Object.entries(routes).map(([name, http]) => routedServiceYaml(name, http)),
    serviceYaml("nobody"),
    istioYaml("ServiceEntry", "api", {
      hosts: ["api.out.test"],
      ports: [{ number: 80, name: "http", protocol: "HTTP", targetPort: 8080 }],
      resolution: "DNS",
      location: "MESH_EXTERNAL",
    }),
    security("RequestAuthentication", "tokens", { selector, jwtRules: [{ issuer: "test", jwks: keySetOf(signer) }] }),
    istioYaml("Gateway", "web", gateway),
    istioYaml("VirtualService", "web", { hosts: ["web.test"], gateways: ["web"], http: [to("plain", "v2")] }),
    security("AuthorizationPolicy", "denied", denied),
  );
  const workingDir = fileURLToPath(new URL("../harness", import.meta.url));
  const outside = { command: ["node", "test-app.mjs"], workingDir, env: { VERSION: "outside", SHARED: "${shared}" }, ports: [8080] };
  mesh = await TestMesh.start({ manifests, lateenYaml: { external: { "api.out.test": outside } } });
});
afterAll(async () => {
  await mesh?.close();
});

type Labels = Readonly<Record<string, string>>;

/** Totals of a metric over all proxies, by the values of some labels, joined by a space; only series with all of `only`. */
async function totals(metric: string, by: readonly string[], only: Labels = {}): Promise<Readonly<Record<string, number>>> {
  const { items } = await mesh.client.list("Pod", {});
  const sums: Record<string, number> = {};
  for (const { metadata } of items) {
    // Pods without a proxy have none.
    const samples = await pageOf(metadata.namespace ?? "", metadata.name ?? "").catch(() => []);
    for (const sample of samples) {
      const labels = Object.fromEntries(sample.labels);
      if (sample.name !== metric || Object.entries(only).some(([label, wanted]) => labels[label] !== wanted)) continue;
      const key = by.map((label) => labels[label] ?? "").join(" ");
      sums[key] = (sums[key] ?? 0) + sample.value;
    }
  }
  return sums;
}

/** Waits for exactly these totals. That they stay, the last test of the file sees: a count too many would come with a later report. */
async function counted(metric: string, by: readonly string[], only: Labels, wanted: Readonly<Record<string, number>>): Promise<void> {
  let last: Readonly<Record<string, number>> = {};
  await eventually(
    async () => {
      last = await totals(metric, by, only);
      return Object.keys(wanted).every((key) => (last[key] ?? 0) >= (wanted[key] ?? 0));
    },
    60_000,
    metric,
  ).catch(() => undefined);
  expect(last).toEqual(wanted);
}

const service = (name: string) => ({ destination_service: `${name}.default.svc.cluster.local` });
const send = (url: string, count: number, request: object = {}) => mesh.load("client", `http://${url}`, { count, ...request });
const outcome = ["destination_workload", "response_code", "response_flags"];

/** What the requests of `action` add at the callers, for a service, and at all servers (a port of several services counts for the oldest, as in Istio). */
async function adds(
  action: () => Promise<unknown>,
  name: string,
  wanted: Readonly<Record<"source" | "destination", Counts>>,
  metric = "istio_requests_total",
) {
  const only = { source: { reporter: "source", ...service(name) }, destination: { reporter: "destination" } };
  const before = { source: await totals(metric, outcome, only.source), destination: await totals(metric, outcome, only.destination) };
  await action();
  for (const side of ["source", "destination"] as const) {
    const sums = Object.keys({ ...before[side], ...wanted[side] }).map((key) => [key, (before[side][key] ?? 0) + (wanted[side][key] ?? 0)]);
    await counted(metric, outcome, only[side], Object.fromEntries(sums));
  }
}

type Counts = Readonly<Record<string, number>>;

describe("HTTP", () => {
  it("both ends count each request once, with all labels", async () => {
    const both = { "server-v1 200 -": 25 };
    await adds(() => send("plain/", 25, { method: "POST", body: "12345" }), "plain", { source: both, destination: both });
    const [sample] = await samplesOf("client", "istio_requests_total");
    expect(Object.fromEntries(sample?.labels ?? [])).toEqual({
      reporter: "source",
      source_workload: "client-v1",
      source_canonical_service: "client",
      source_canonical_revision: "v1",
      source_workload_namespace: "default",
      source_principal: "spiffe://cluster.local/ns/default/sa/default",
      source_app: "client",
      source_version: "v1",
      source_cluster: "Kubernetes",
      destination_workload: "server-v1",
      destination_workload_namespace: "default",
      destination_principal: "spiffe://cluster.local/ns/default/sa/default",
      destination_app: "server",
      destination_version: "v1",
      destination_service: "plain.default.svc.cluster.local",
      destination_canonical_service: "server",
      destination_canonical_revision: "v1",
      destination_service_name: "plain",
      destination_service_namespace: "default",
      destination_cluster: "Kubernetes",
      request_protocol: "http",
      response_code: "200",
      grpc_response_status: "",
      response_flags: "-",
      connection_security_policy: "unknown",
    });
    for (const metric of ["istio_request_bytes", "istio_request_duration_milliseconds", "istio_response_bytes"]) {
      await counted(`${metric}_count`, ["reporter"], { source_app: "client" }, { source: 25, destination: 25 });
    }
    await counted("istio_request_bytes_bucket", ["reporter"], { source_app: "client", le: "1" }, { source: 0, destination: 0 });
    await counted("istio_request_bytes_bucket", ["reporter"], { source_app: "client", le: "10" }, { source: 25, destination: 25 });
  });

  it("answers of the proxy itself: faults, time-outs, refusals, nobody there, a route that answers", async () => {
    const nothing = {};
    await adds(() => send("fault/", 3), "fault", { source: { "unknown 418 FI": 3 }, destination: nothing });
    await adds(() => send("slow/?delay=1000", 2), "slow", { source: { "server-v1 504 UT": 2 }, destination: { "server-v1 0 DC": 2 } });
    const denials = { "server-v1 403 -": 4 };
    await adds(() => send("plain/denied", 4), "plain", { source: denials, destination: { "server-v1 403 -": 4 } });
    const bad = { headers: { authorization: "Bearer a.b.c" } };
    const refused = { "server-v1 401 -": 2 };
    await adds(() => send("plain/", 2, bad), "plain", { source: refused, destination: refused });
    await adds(() => send("nobody/", 2), "nobody", { source: { "unknown 503 UH": 2 }, destination: nothing });
    await adds(() => send("answer/", 2), "answer", { source: { "unknown 204 -": 2 }, destination: nothing });
  });

  it("retries are one request for the caller, and tries for the server", async () => {
    const source = { "server-v1 503 URX": 2 };
    await adds(() => send("retry/?status=503", 2), "retry", { source, destination: { "server-v1 503 -": 6 } });
  });

  it("a connection that the server resets", async () => {
    await adds(() => send("plain/?reset=1", 2), "plain", { source: { "server-v1 503 -": 2 }, destination: { "server-v1 503 UC": 2 } });
  });

  it("hosts outside, by their ServiceEntry; hosts that nobody declared", async () => {
    const outside = { reporter: "source", destination_service: "api.out.test" };
    await send("api.out.test/", 3);
    await counted("istio_requests_total", ["destination_service_name", ...outcome], outside, { "api.out.test unknown 200 -": 3 });
    const unknown = { destination_service_name: "PassthroughCluster" };
    // Nothing listens there.
    await send(`${await addressOf("outsider")}/`, 2);
    await counted("istio_requests_total", ["reporter", ...outcome], unknown, { "source unknown 503 UF": 2 });
  });

  it("what is no HTTP at all", async () => {
    const text = "NONSENSE\r\n\r\n";
    await mesh.run("outsider", { kind: "tcp-once", host: await addressOf("server"), port: 8080, text });
    await counted("istio_requests_total", outcome, { response_flags: "DPE" }, { "server-v1 400 DPE": 1 });
  });

  it("callers without a proxy are unknown, and can't say that their requests are copies", async () => {
    const { status } = await mesh.http("outsider", `http://${await addressOf("server")}:8080/stranger`, {
      headers: { "x-lateen-mirror": "1", baggage: "lateen.mirror=1" },
    });
    expect(status).toBe(200);
    const only = { source_workload: "unknown", reporter: "destination", connection_security_policy: "none", response_code: "200" };
    await counted("istio_requests_total", ["source_principal", "response_code"], only, { "unknown 200": 1 });
  });

  it("the gateway, whose callers are strangers; what it doesn't know has no service", async () => {
    const headers = { host: "web.test", "x-lateen-mirror": "1", baggage: "lateen.mirror=1" };
    await mesh.gatewayLoad("/", { headers, count: 7 });
    await counted(
      "istio_requests_total",
      ["reporter", "source_workload", "destination_workload"],
      { source_app: "istio-ingressgateway", response_code: "200" },
      {
        "source istio-ingressgateway server-v2": 7,
        "destination istio-ingressgateway server-v2": 7,
      },
    );
    await mesh.gatewayLoad("/", { headers: { host: "nowhere.test" }, count: 2 });
    const only = { source_app: "istio-ingressgateway", response_code: "404" };
    await counted("istio_requests_total", ["reporter", "response_flags", "destination_service"], only, { "source NR unknown": 2 });
  });
});

describe("copies of requests", () => {
  it("have series of their own, and so has what is asked for while one is handled", async () => {
    const users = { "server-v1 200 -": 6 };
    await adds(() => send("copied/", 6), "copied", { source: users, destination: users });
    await counted("lateen_mirrored_requests_total", ["reporter", ...outcome], {}, { "destination server-v2 200 -": 6 });
    await mesh.http("client", "http://plain/", { headers: { baggage: "a=b,lateen.mirror=1" } });
    const all = { "source server-v1 200 -": 1, "destination server-v1 200 -": 1, "destination server-v2 200 -": 6 };
    await counted("lateen_mirrored_requests_total", ["reporter", ...outcome], {}, all);
  });
});

/** Whose Deployment may be updated in place: whoever sees the service counts tries, of all services. */
const watched = releaseYaml("nobody", { strategy: "rolling" });

describe("tries", () => {
  const tried = ["destination_service_name", "destination_version", "response_code"];
  /** Of this file's tests before, none was counted. */
  const counts = { "retry v1 503": 6, "copied v1 200": 3 };

  it("are counted one by one while a release judges, those of copies apart", async () => {
    await mesh.apply(watched);
    await send("retry/?status=503", 2);
    await send("copied/", 3);
    await counted("lateen_tries_total", tried, {}, counts);
    await counted("lateen_try_duration_milliseconds_count", tried, {}, counts);
    await counted("lateen_mirrored_tries_total", tried, {}, { "copied v2 200": 3 });
  });

  it("begin and end to be counted under load: no request is lost, no listener changes, and else routers have no log", async () => {
    const [pod = ""] = await mesh.pods("client");
    const stats = () => envoyStats(mesh, pod, /^listener_manager\.(listener_|total_(filter_chains|listeners)_draining)/);
    const before = await stats();
    expect(Object.keys(before)).toContain("listener_manager.listener_modified");
    expect(await routersLog(pod)).toBe(true);
    const report = await underLoad(mesh, { from: "client", url: "http://plain/" }, async () => {
      for (let round = 0; round < 3; round += 1) {
        await mesh.remove(watched);
        expect(await routersLog(pod)).toBe(false);
        await mesh.apply(watched);
        expect(await routersLog(pod)).toBe(true);
      }
      await mesh.remove(watched);
    });
    expect(lossesOf(report)).toEqual(nothing);
    expect(await stats()).toEqual(before);
    const underLoadOnly = async () => (await totals("lateen_tries_total", tried))["plain v1 200"] ?? 0;
    await eventually(async () => (await underLoadOnly()) > 0, 60_000, "tries under load");
    await send("slow/", 5);
    // They are counted, and no try was when these are.
    await counted(
      "istio_requests_total",
      outcome,
      { reporter: "source", ...service("slow") },
      { "server-v1 504 UT": 2, "server-v1 200 -": 5 },
    );
    const { "plain v1 200": some = 0, ...others } = await totals("lateen_tries_total", tried);
    expect(others).toEqual(counts);
    expect(some).toBeLessThan(report.total);
  });
});

describe("gRPC", () => {
  const grpc = (request: object) => mesh.run("client", { kind: "grpc", origin: "http://server:81", ...request });
  const only = { request_protocol: "grpc" };

  it("has its status, and messages of both directions", async () => {
    await mesh.run("client", { kind: "grpc-burst", origin: "http://server:81", count: 20 });
    await grpc({ headers: { "x-want-grpc-status": "7" } });
    await grpc({ messages: 12 });
    const both = { "source 200 0": 21, "source 200 7": 1, "destination 200 0": 21, "destination 200 7": 1 };
    await counted("istio_requests_total", ["reporter", "response_code", "grpc_response_status"], only, both);
    await counted("istio_request_messages_total", ["reporter"], only, { source: 33, destination: 33 });
    await counted("istio_response_messages_total", ["reporter"], only, { source: 22, destination: 22 });
  });

  it("has its status in tries too: a release of a gRPC service is judged by it", async () => {
    await mesh.apply(watched);
    await grpc({ headers: { "x-want-grpc-status": "13" } });
    // Either version answers.
    const tried = ["destination_service_name", "response_code"];
    await counted("lateen_tries_total", tried, { ...only, grpc_response_status: "13" }, { "server 200": 1 });
  });
});

describe("TCP", () => {
  it("counts connections and the bytes of each direction at both ends, also while they live", async () => {
    const hello = "hello\n";
    const greeting = await mesh.run("client", { kind: "tcp-open", id: "one", host: "server", port: 83 });
    const answer = await mesh.run("client", { kind: "tcp-say", id: "one", text: hello });
    const [received, sent] = [hello.length, `${greeting}${answer}`.length];
    const tcp = { request_protocol: "tcp", source_app: "client", destination_app: "server" };
    const ends = (value: number) => ({ source: value, destination: value });
    await counted("istio_tcp_connections_opened_total", ["reporter"], tcp, ends(1));
    await counted("istio_tcp_received_bytes_total", ["reporter"], tcp, ends(received));
    await counted("istio_tcp_sent_bytes_total", ["reporter"], tcp, ends(sent));
    await counted("istio_tcp_connections_closed_total", ["reporter"], tcp, {});
  });
});

describe("all of it", () => {
  it("stays once every proxy has reported again: no later report counts anything twice", async () => {
    const sums = async () => ({
      users: await totals("istio_requests_total", ["reporter", "request_protocol"], { source_app: "client" }),
      durations: await totals("istio_request_duration_milliseconds_count", ["reporter", "request_protocol"], { source_app: "client" }),
      sizes: await totals("istio_request_bytes_count", ["reporter", "request_protocol"], { source_app: "client" }),
      zeros: await totals("istio_request_bytes_bucket", ["reporter", "request_protocol"], { source_app: "client", le: "0.5" }),
      messages: await totals("istio_request_messages_total", ["reporter", "request_protocol"], { source_app: "client" }),
      copies: await totals("lateen_mirrored_requests_total", ["reporter"], { source_app: "client" }),
      connections: await totals("istio_tcp_connections_opened_total", ["reporter"], { source_app: "client" }),
    });
    // Of what the tests before sent, a server may still owe its share: the last were gRPC calls, which both ends count.
    const isComplete = async () => {
      const { users } = await sums();
      return users["source grpc"] === users["destination grpc"];
    };
    await eventually(isComplete, 60_000, "all calls counted at both ends");
    const before = await sums();
    expect([before.durations, before.sizes]).toEqual([before.users, before.users]);
    await send("plain/", 10);
    await send("copied/", 4);
    await mesh.run("client", { kind: "grpc-burst", origin: "http://server:81", count: 5 });
    const requests = { "source http": 14, "destination http": 14, "source grpc": 5, "destination grpc": 5 };
    const wanted = {
      users: plus(before.users, requests),
      durations: plus(before.durations, requests),
      sizes: plus(before.sizes, requests),
      // Calls of gRPC have bodies.
      zeros: plus(before.zeros, { "source http": 14, "destination http": 14 }),
      messages: plus(before.messages, { "source grpc": 5, "destination grpc": 5 }),
      copies: plus(before.copies, { destination: 4 }),
      connections: before.connections,
    };
    await expect.poll(sums, { timeout: 60_000 }).toEqual(wanted);
    const { collectingMs } = await mesh.client.stat();
    // Who isn't silent has reported within the last four seconds: since it was counted.
    await eventually(
      async () => {
        const now = await mesh.client.stat();
        return now.collectingMs >= collectingMs + 5000 && now.proxies.total > 0 && now.proxies.silent.length === 0;
      },
      60_000,
      "reports of all proxies",
    );
    expect(await sums()).toEqual(wanted);
  });
});

function plus(sums: Counts, more: Counts): Counts {
  return Object.fromEntries(Object.keys({ ...sums, ...more }).map((key) => [key, (sums[key] ?? 0) + (more[key] ?? 0)]));
}

/** Whether the routers of the proxy's outbound side have a log. */
async function routersLog(pod: string): Promise<boolean> {
  const { metadata } = await mesh.client.get({ kind: "Pod", namespace: "default", name: pod });
  const adminPath = join(mesh.runDir, "pods", metadata.uid ?? "", "admin.sock");
  const { body } = await askAdmin(adminPath, "GET", "/config_dump?resource=ecds_filters");
  expect(body).toContain('"lateen.router"');
  return body.includes('"upstream_log"');
}

async function addressOf(app: string): Promise<string> {
  const [name = ""] = await mesh.pods(app);
  const pod = await mesh.client.get({ kind: "Pod", namespace: "default", name });
  return String(Object(Object(pod)["status"])["podIP"]);
}

async function samplesOf(app: string, metric: string): Promise<readonly TextSample[]> {
  const [pod = ""] = await mesh.pods(app);
  return (await pageOf("default", pod)).filter(({ name }) => name === metric);
}

async function pageOf(namespace: string, pod: string): Promise<readonly TextSample[]> {
  const { families } = await mesh.client.proxyMetrics(namespace, pod);
  return families.flatMap(({ samples }) => samples);
}
