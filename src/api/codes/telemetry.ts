// Rows of the table in ../codes.ts.

import { type CodeEntry, error, warning } from "../code-entry.ts";

/** LTN12xx: what proxies log, trace and count. */
export const telemetryCodes = {
  LTN1201: error(
    "invalid telemetry setting",
    "A setting of a Telemetry contradicts itself or could not be carried out.",
    "Correct the setting.",
  ),
  LTN1202: warning(
    "unknown provider",
    "A Telemetry, or defaultProviders, names a provider that MeshConfig's extensionProviders don't have, so nothing is sent there.",
    "Correct the name, or add the provider to extensionProviders in ConfigMap istio-system/istio.",
  ),
  LTN1203: warning(
    "provider of another kind",
    "A Telemetry names a provider for something that it can't do, such as a tracing provider for access logs.",
    "Name a provider of the right kind.",
  ),
  LTN1204: warning(
    "second Telemetry for the same",
    "Two Telemetries are for the same namespace or workload; the older one counts, the other is left out.",
    "Merge them, or remove one.",
  ),
  LTN1205: warning(
    "Telemetry for no workload",
    "No pod with a proxy has the labels of a Telemetry's selector, so it does nothing.",
    "Correct the selector or the namespace, or start such pods.",
  ),
  LTN1206: warning(
    "only the first provider counts",
    "Spans go to one provider, as in Istio: the first that is named.",
    "Name one provider.",
  ),
} as const satisfies Readonly<Record<string, CodeEntry>>;
