// What a real Envoy reports with our bootstrap: nothing but its uptime while there is no traffic, whatever native stats it has.

import { expect, it } from "vitest";
import { eventually } from "../../test/harness/eventually.ts";
import { startServedEnvoy } from "../../test/harness/served-envoy.ts";
import { emptyConfig } from "../envoy/config.ts";
import { parseOtlpMetrics } from "../telemetry/otlp-metrics.ts";

it("reports over its control plane's socket, which is its name", async () => {
  const reports: { readonly proxyId: string; readonly names: readonly string[] }[] = [];
  await using _ = await startServedEnvoy({
    kind: "sidecar",
    proxyId: "web.shop",
    desired: { config: emptyConfig, revision: 1 },
    onExport: (proxyId, signal, bytes) => {
      if (signal === "metrics")
        reports.push({ proxyId, names: parseOtlpMetrics(bytes).flatMap(({ points }) => points.map(({ name }) => name)) });
    },
  });
  await eventually(() => reports.length >= 2, 20_000, "two reports");
  const report = { proxyId: "web.shop", names: ["server.uptime"] };
  expect(reports.slice(0, 2)).toEqual([report, report]);
});
