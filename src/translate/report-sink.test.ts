// What a real Envoy reports with our bootstrap: nothing but its uptime while there is no traffic, whatever native stats it has.

import { join } from "node:path";
import { expect, it } from "vitest";
import { startEnvoy, temporaryFolder } from "../../test/harness/envoy.ts";
import { eventually } from "../../test/harness/eventually.ts";
import type { ProxyConfig } from "../envoy/config.ts";
import { durationMs } from "../lib/duration.ts";
import { parseOtlpMetrics } from "../telemetry/otlp-metrics.ts";
import { AdsServer } from "../xds/ads-server.ts";
import { bootstrapOf } from "./bootstrap.ts";

const config: ProxyConfig = {
  clusters: new Map(),
  endpoints: new Map(),
  listeners: new Map(),
  routes: new Map(),
  secrets: new Map(),
  extensions: new Map(),
  runtime: new Map(),
  removalGrace: durationMs(0),
};

it("reports over its control plane's socket, which is its name", async () => {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  const xdsPath = join(folder.path, "xds.sock");
  const reports: { readonly proxyId: string; readonly names: readonly string[] }[] = [];
  const ads = new AdsServer({
    generate: () => ({ config, revision: 1 }),
    onExport: (proxyId, signal, bytes) => {
      if (signal === "metrics")
        reports.push({ proxyId, names: parseOtlpMetrics(bytes).flatMap(({ points }) => points.map(({ name }) => name)) });
    },
  });
  cleanup.defer(() => ads.close());
  await ads.openSocket("web.shop", xdsPath);
  cleanup.use(
    await startEnvoy(bootstrapOf({ kind: "sidecar", podName: "web", namespace: "shop", xdsPath, adminPath: "unused", marked: false })),
  );
  await eventually(() => reports.length >= 2, 20_000, "two reports");
  const report = { proxyId: "web.shop", names: ["server.uptime"] };
  expect(reports.slice(0, 2)).toEqual([report, report]);
});
