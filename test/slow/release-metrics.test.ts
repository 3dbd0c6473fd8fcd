// A release judged by a real Prometheus that scrapes the mesh: a metric the mesh doesn't count as an error sends a version back; while nobody answers, it waits.

import { afterAll, beforeAll, expect, it } from "vitest";
import { shippedRules } from "../../src/app/telemetry/prometheus-process.ts";
import { prometheusConfig } from "../../src/app/telemetry/prometheus-setup.ts";
import { freePort } from "../harness/gateway-envoy.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { TestPrometheus } from "../harness/prometheus.ts";
import { releaseIs, releaseYaml } from "../harness/releases.ts";
import { yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;
let prometheus: TestPrometheus;

const requests = (more: string) =>
  `sum by (version) (label_replace(istio_requests_total{reporter="source",destination_service_name="kettle"${more}}, "version", "$1", "destination_version", "(.*)"))`;

/** Half of the traffic for longer than the test, judged by teapots only. */
function judgedBy(address: string): string {
  const teapots = {
    name: "teapots",
    provider: "prometheus",
    address,
    query: requests(',response_code="418"'),
    total: requests(""),
    margin: { plus: 0.05 },
  };
  return releaseYaml("kettle", { steps: [{ setWeight: 50, for: "10m", advance: "clock" }], analysis: { metrics: [teapots] } });
}

beforeAll(async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  mesh = await TestMesh.start({ manifests: yamlOf(appYaml("client", ["v1"]), appYaml("kettle", ["v1"]), judgedBy(nobody)) });
  const { metricsPort = 0 } = await mesh.client.status();
  const config = prometheusConfig({ metricsPort, ruleFiles: shippedRules(), perPod: false }).replaceAll("5s", "1s");
  prometheus = await TestPrometheus.start(config);
  await releaseIs(mesh, "kettle", ({ status }) => status.stable === "v1");
}, 240_000);
afterAll(async () => {
  await prometheus?.close();
  await mesh?.close();
});

it("waits while its Prometheus is away, and goes back by what it says", async () => {
  const [pod = ""] = await mesh.pods("client");
  await mesh.runIn(pod, { kind: "load-start", id: "tea", url: "http://kettle/?status=418&onlyVersion=v2", ratePerSecond: 100 });
  await mesh.apply(appYaml("kettle", ["v2"]));
  const waiting = await releaseIs(mesh, "kettle", ({ story }) =>
    story.some((line) => line.includes("teapots can't be read: it can't be reached")),
  );
  expect(waiting.status).toMatchObject({ phase: "Progressing", weightPercent: 50 });
  await mesh.apply(judgedBy(prometheus.url));
  const { status, story } = await releaseIs(mesh, "kettle", "RolledBack");
  expect(status.verdict).toMatch(/^teapots [\d.]+ % of [\d,]+ against 0 % of [\d,]+: worse than allowed by teapots/);
  expect(story.join("\n")).toContain("all metrics can be read again");
  await mesh.runIn(pod, { kind: "load-stop", id: "tea" });
});
