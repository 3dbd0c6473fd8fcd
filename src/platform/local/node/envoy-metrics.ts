// Envoy's own series as its admin prints them: those that Istio shows unless told otherwise (manifests' defaultConfig, proxyStatsMatcher).

import { Unavailable } from "../../../lib/errors.ts";
import type { Family } from "../../../telemetry/prometheus/family.ts";
import { parseText } from "../../../telemetry/prometheus/parse-text.ts";
import { askAdmin } from "../sidecar.ts";

/** Names before tags are taken out of them. Istio's series aren't among them: those come from the control plane, which counts them exactly. */
const shown =
  "^(cluster_manager|listener_manager|server|cluster\\.xds-grpc)\\.|\\.rbac\\.|\\.downstream_cx_active$|\\.outlier_detection\\.";

/** Reads them. @throws Unavailable when Envoy doesn't answer. */
export async function envoyFamilies(adminPath: string): Promise<readonly Family[]> {
  const { status, body } = await askAdmin(adminPath, "GET", `/stats/prometheus?filter=${encodeURIComponent(shown)}`);
  if (status !== 200) throw new Unavailable(`Envoy's admin said ${status}`);
  return parseText(body).families;
}
