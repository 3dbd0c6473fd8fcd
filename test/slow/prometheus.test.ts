// A real Prometheus on a whole mesh, by its one page and by each pod: dashboard queries in Istio's style have the values that the load generator counted.

import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shippedRules } from "../../src/app/telemetry/prometheus-process.ts";
import { prometheusConfig } from "../../src/app/telemetry/prometheus-setup.ts";
import { lateenOn, runtimeDirOf } from "../harness/cli.ts";
import { requestsIn, type Sent, sendCounted } from "../harness/counted-load.ts";
import { eventually } from "../harness/eventually.ts";
import { freePort } from "../harness/gateway-envoy.ts";
import { TestMesh } from "../harness/mesh.ts";
import { controlPlaneOutage } from "../harness/outage.ts";
import { mainPath, root } from "../harness/program.ts";
import { prometheusTools, TestPrometheus } from "../harness/prometheus.ts";
import { prometheusPod, watchedImages, watchedManifests } from "../harness/prometheus-mesh.ts";

const waitMs = 90_000;
/** A scrape that came too late leaves a second without values: what was there will be there again. */
const poll = { timeout: waitMs };

let mesh: TestMesh;
let whole: TestPrometheus;
let perPod: TestPrometheus;
let metricsPort: number;

beforeAll(async () => {
  await prometheusTools();
  mesh = await TestMesh.start({
    manifests: watchedManifests,
    lateenYaml: { images: watchedImages },
  });
  metricsPort = (await mesh.client.status()).metricsPort ?? 0;
  const often = (perPodTargets: boolean) =>
    prometheusConfig({ metricsPort, ruleFiles: shippedRules(), perPod: perPodTargets }).replaceAll("5s", "1s");
  [whole, perPod] = await Promise.all([TestPrometheus.start(often(false)), TestPrometheus.start(often(true))]);
}, 240_000);

afterAll(async () => {
  await Promise.all([whole?.close(), perPod?.close()]);
  await mesh?.close();
});

const get = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${metricsPort}${path}`)).text();

async function addressOf(name: string): Promise<string> {
  const pod = (await mesh.client.get({ kind: "Pod", namespace: "default", name })) as unknown as { status: { podIP: string } };
  return pod.status.podIP;
}

const toServer = 'destination_service="server.default.svc.cluster.local",source_workload="client-v1"';
const asked = `{reporter="source",${toServer}}`;

describe("a Prometheus", () => {
  let warm: Sent;
  let sent: Sent;
  let total: number;
  /** What was sent to get the series started has all been scraped by then: a window from here on knows nothing of it. */
  let fromMs: number;

  beforeAll(async () => {
    // A series' first value is no increase for Prometheus: each has one before what is counted begins.
    warm = await sendCounted(mesh, 1);
    const warmTotal = requestsIn(warm);
    await untilBoth(warmTotal);
    fromMs = Date.now();
    // The window's edges are estimated by its first and last samples: some of them before and behind make the estimate a good one.
    await eventually(() => Date.now() - fromMs > 15_000, waitMs);
    sent = await sendCounted(mesh, 5);
    total = warmTotal + requestsIn(sent);
    await untilBoth(total);
  }, 240_000);

  async function untilBoth(wanted: number): Promise<void> {
    for (const prometheus of [whole, perPod]) {
      const there = async () => (await prometheus.value(`sum(istio_requests_total${asked})`)) === wanted;
      await eventually(there, waitMs, `${wanted} requests`).catch(async (error: unknown) => {
        const seen = await prometheus.query(`sum by (response_code, request_protocol) (istio_requests_total${asked})`);
        throw new Error(`${String(error)}: ${JSON.stringify({ warm, sent, seen })}`);
      });
    }
  }

  it.each(["whole", "perPod"] as const)("has what was sent, to the last request: %s", async (which) => {
    const prometheus = which === "whole" ? whole : perPod;
    const all = (pick: (of: Sent) => number): number => pick(warm) + pick(sent);
    const grpc = all(({ grpc: counted }) => counted["0"] ?? 0);
    await expect
      .poll(() => prometheus.by("response_code", `sum by (response_code) (istio_requests_total${asked})`), poll)
      .toEqual({
        "200": all(({ ok, slow }) => ok.total + slow) + grpc,
        "500": all(({ failed }) => failed),
        "503": all(({ aborted }) => aborted),
      });
    const byGrpcStatus = `sum by (grpc_response_status) (istio_requests_total{request_protocol="grpc",reporter="source",${toServer}})`;
    await expect.poll(() => prometheus.by("grpc_response_status", byGrpcStatus), poll).toEqual({ "0": grpc });
    // What the client's proxy answered itself never came to a server.
    const arrived = 'reporter="destination",source_workload="client-v1",destination_app="server",connection_security_policy="mutual_tls"';
    const wanted = total - all(({ aborted }) => aborted);
    await expect.poll(() => prometheus.value(`sum(istio_requests_total{${arrived}})`), poll).toBe(wanted);
    const okAsked = `{reporter="source",${toServer},response_code="200",request_protocol="http"}`;
    const v2 = (warm.ok.byVersion["v2"] ?? 0) + (sent.ok.byVersion["v2"] ?? 0);
    await expect
      .poll(() => prometheus.by("destination_version", `sum by (destination_version) (istio_requests_total${okAsked})`), poll)
      .toEqual({
        v1: all(({ ok, slow }) => ok.total + slow) - v2,
        v2,
      });
    await expect.poll(() => prometheus.value(`sum(istio_request_duration_milliseconds_count${asked})`), poll).toBe(total);
  });

  it("has the shipped rules' series", async () => {
    // First of all: it is about the minute before.
    const ratio = (sent.failed + sent.aborted) / requestsIn(sent);
    const ruled = async () =>
      Math.abs(
        (await whole.value('service:istio_requests:error_ratio1m{destination_service="server.default.svc.cluster.local"}')) - ratio,
      ) < 0.05;
    await eventually(ruled, waitMs, "the recorded error ratio");
    await expect.poll(() => whole.value(`sum(workload:istio_requests_total${asked})`), poll).toBe(total);
    const { promtool } = await prometheusTools();
    const checked = await promisify(execFile)(promtool, [
      "check",
      "config",
      join(import.meta.dirname, "../../examples/prometheus/prometheus.yml"),
    ]);
    expect(checked.stdout).toContain("18 rules found");
  });

  it("has TCP's connections and bytes while they are open", async () => {
    const tcp = {
      connections: warm.tcp.connections + sent.tcp.connections,
      sent: warm.tcp.sent + sent.tcp.sent,
      received: warm.tcp.received + sent.tcp.received,
    };
    for (const reporter of ["source", "destination"]) {
      const of = `{reporter="${reporter}",source_workload="client-v1",destination_app="server",request_protocol="tcp"}`;
      await eventually(
        async () => (await whole.value(`sum(istio_tcp_sent_bytes_total${of})`)) === tcp.sent,
        waitMs,
        `${tcp.sent} bytes sent, of ${reporter}`,
      );
      await expect.poll(() => whole.value(`sum(istio_tcp_received_bytes_total${of})`), poll).toBe(tcp.received);
      await expect.poll(() => whole.value(`sum(istio_tcp_connections_opened_total${of})`), poll).toBe(tcp.connections);
    }
    const open = () => whole.value('service:istio_tcp_connections:open{destination_service="server.default.svc.cluster.local"}');
    await eventually(async () => (await open()) === tcp.connections, waitMs, "the recorded number of open connections");
  });

  it("has the control plane's own", async () => {
    const proxies = await mesh.client.proxies();
    for (const prometheus of [whole, perPod]) {
      const value = (query: string) => expect.poll(() => prometheus.value(query), poll);
      await value("pilot_xds").toBe(proxies.proxies.length);
      await value("lateen_proxies_unacknowledged").toBe(0);
      await value('sum(pilot_xds_pushes{type="cds"})').toBeGreaterThanOrEqual(proxies.proxies.length);
      await value("sum(pilot_total_xds_rejects) or vector(0)").toBe(0);
      await value("citadel_server_root_cert_expiry_timestamp - time()").toBeGreaterThan(86_400);
      await value("count(up == 0) or vector(0)").toBe(0);
    }
  });

  it("answers all queries of the shipped dashboard, those of traffic with data", async () => {
    const file = join(import.meta.dirname, "../../examples/grafana/lateen.json");
    const { panels }: { readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[] } =
      JSON.parse(readFileSync(file, "utf8"));
    const noReleases = /^Releases/;
    for (const { title, targets } of panels) {
      for (const { expr } of targets) {
        const query = expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$(namespace|release)/g, ".*");
        const hasData = async () => [title, (await whole.query(query)).length > 0];
        await expect.poll(hasData, poll).toEqual([title, !noReleases.test(title)]);
      }
    }
  });

  it("names pods as it would in a cluster, by discovery and on the one page", async () => {
    const [server = ""] = await mesh.pods("server");
    const labels = { namespace: "default", pod: server };
    const labelsIn = (prometheus: TestPrometheus) => async () =>
      (await prometheus.query(`istio_requests_total{pod="${server}",reporter="destination"}`))[0]?.labels;
    await expect.poll(labelsIn(whole), poll).toMatchObject(labels);
    const instance = expect.stringMatching(/^198\.18\.\d+\.\d+:15020$/);
    await expect.poll(labelsIn(perPod), poll).toMatchObject({ ...labels, app: "server", container: "istio-proxy", instance });
    const file = JSON.parse(readFileSync(join(mesh.runDir, "prometheus", "pods.json"), "utf8")) as unknown;
    expect(file).toEqual(JSON.parse(await get("/sd/pods")));
  });

  it("has an application's own series, and the proxy's beside whatever the application says", async () => {
    for (const prometheus of [whole, perPod])
      await expect.poll(() => prometheus.value('orders_total{kind="book",pod="orders",version="v7"}'), poll).toBe(42);
    const page = await get("/pods/default/orders/stats/prometheus");
    expect(page).toContain('orders_total{kind="book"} 42');
    expect(page).toContain("envoy_server_live");
    expect(page).toContain("istio_agent_scrapes_total");
    expect(await get("/pods/default/orders/application")).not.toContain("envoy_");
    expect(await get("/pods/default/nobody/stats/prometheus")).toContain("does not run");
  });

  it("may be a pod of the mesh, when that says so", async () => {
    const { prometheus } = await prometheusTools();
    const targets = await Promise.all(["orders", ...(await mesh.pods("server"))].map(async (name) => `"${await addressOf(name)}:15020"`));
    const config = `scrape_configs: [{job_name: pods, scrape_interval: 1s, metrics_path: /stats/prometheus, static_configs: [{targets: [${targets.join(", ")}]}]}]`;
    await mesh.apply(prometheusPod(prometheus, config));
    const query = `sum(istio_requests_total{reporter="destination",connection_security_policy="mutual_tls",source_workload="client-v1"})`;
    const ask = async (): Promise<string> =>
      (await mesh.http("client", `http://prometheus:9090/api/v1/query?${new URLSearchParams({ query })}`)).body;
    // What it is asked from there on comes to another pod.
    const arrived = total - warm.aborted - sent.aborted;
    await eventually(async () => (await ask().catch(() => "")).includes(`"${arrived}"`), waitMs, `${arrived} requests`);
  });

  it("has the rates, ratios and quantiles that dashboards show", async () => {
    // Not among the first: the longer the window, the less the second at each end of it matters, for which Prometheus guesses.
    const counted = requestsIn(sent);
    const seconds = Math.floor((Date.now() - fromMs) / 1000);
    const window = `[${seconds}s]`;
    const near = (value: number, wanted: number) => expect(Math.abs(value - wanted) / wanted).toBeLessThan(0.1);
    // Istio's workload dashboard: incoming requests by source and by destination.
    near((await whole.value(`sum(rate(istio_requests_total${asked}${window}))`)) * seconds, counted);
    near(
      (await whole.value(
        `sum(rate(istio_requests_total{reporter="source",destination_service=~"server.*",response_code=~"5.*"}${window}))`,
      )) * seconds,
      sent.failed + sent.aborted,
    );
    const success = `sum(rate(istio_requests_total{reporter="source",${toServer},response_code!~"5.*"}${window})) / sum(rate(istio_requests_total${asked}${window}))`;
    expect(await whole.value(success)).toBeCloseTo((counted - sent.failed - sent.aborted) / counted, 2);
    const slowShare = `sum(rate(istio_request_duration_milliseconds_bucket{reporter="source",${toServer},le="+Inf"}${window})) - sum(rate(istio_request_duration_milliseconds_bucket{reporter="source",${toServer},le="250"}${window}))`;
    expect((await whole.value(`(${slowShare}) * ${seconds}`)) / sent.slow).toBeGreaterThan(0.9);
    const quantile = (q: number) =>
      whole.value(
        `histogram_quantile(${q}, sum(rate(istio_request_duration_milliseconds_bucket{reporter="source",${toServer}}${window})) by (le))`,
      );
    expect(await quantile(0.5)).toBeLessThan(250);
    expect(await quantile(0.99)).toBeGreaterThan(250);
  });

  it("reads nothing of another pod without being told to", async () => {
    const address = await addressOf("orders");
    const merged = await mesh.http("scraper", `http://${address}:15020/stats/prometheus`);
    expect([merged.status, merged.body.includes("orders_total"), merged.body.includes("envoy_server_live")]).toEqual([200, true, true]);
    const proxy = await mesh.http("scraper", `http://${address}:15090/stats/prometheus`);
    expect([proxy.status, proxy.body.includes("orders_total"), proxy.body.includes("envoy_server_live")]).toEqual([200, false, true]);
    const refused = await mesh.http("client", `http://${address}:15020/stats/prometheus`);
    expect([refused.status, refused.body]).toEqual([403, expect.stringContaining("lateen.dev/scrapes-metrics")]);
  });

  it("is started by lateen dashboard, and ends with it", async () => {
    const { prometheus } = await prometheusTools();
    const port = await freePort();
    const env = {
      ...process.env,
      XDG_RUNTIME_DIR: runtimeDirOf(mesh),
      PATH: `${dirname(prometheus)}:${process.env["PATH"]}`,
      NO_COLOR: "1",
    };
    const args = [mainPath, "--mesh", "t", "dashboard", "prometheus", "--port", String(port)];
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        said += chunk;
      });
    }
    await eventually(() => said.includes(`http://127.0.0.1:${port}\n`), waitMs, "the address");
    const isUp = () =>
      fetch(`http://127.0.0.1:${port}/api/v1/query?query=up`).then(
        async (answer) => (await answer.text()).includes('"1"'),
        () => false,
      );
    await eventually(isUp, waitMs, "a scrape");
    const again = await lateenOn(mesh, ["dashboard", "prometheus", "--port", String(port)]);
    expect(again).toMatchObject({ code: 0, stdout: `http://127.0.0.1:${port}\n` });
    const grafana = await lateenOn(mesh, ["dashboard", "grafana", "--print", "--port", String(port)]);
    expect(grafana.stdout).toContain(`url: http://127.0.0.1:${port}`);
    child.kill("SIGTERM");
    await ended;
    await expect(fetch(`http://127.0.0.1:${port}/-/ready`)).rejects.toThrow();
  });

  it("goes on after the control plane was killed, on the same port, and counts nothing twice", async () => {
    const before = await mesh.load("client", "http://server/ok", { count: 10 });
    await eventually(async () => (await whole.value(`sum(istio_requests_total${asked})`)) === total + before.total, waitMs);
    await controlPlaneOutage(mesh, 500);
    await eventually(
      async () => (await mesh.client.status().catch(() => ({ metricsPort: 0 }))).metricsPort === metricsPort,
      waitMs,
      "the same port",
    );
    const after = await mesh.load("client", "http://server/ok", { count: 7 });
    const value = () => whole.value(`sum(istio_requests_total${asked})`);
    await eventually(async () => (await value()) === total + before.total + after.total, waitMs, "the same totals");
  });
});
