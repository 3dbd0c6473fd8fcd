// Istio's Telemetry as declared to the registry: names, versions, columns.

import { defineKind } from "../kind.ts";
import { telemetrySchema } from "./telemetry.ts";
import { checkTelemetry } from "./telemetry-checks.ts";

export const telemetryKinds = {
  Telemetry: defineKind({
    group: "telemetry.istio.io",
    versions: ["v1", "v1alpha1"],
    kind: "Telemetry",
    plural: "telemetries",
    singular: "telemetry",
    shortNames: [],
    namespaced: true,
    schema: telemetrySchema,
    check: checkTelemetry,
    columns: [],
    notYet: [
      "spec.tracing[].useRequestIdForTraceSampling=false",
      "spec.tracing[].enableIstioTags=false",
      "spec.tracing[].disableContextPropagation",
      "spec.accessLogging[].filter.expression",
      "spec.metrics[].overrides",
      "spec.metrics[].reportingInterval",
    ],
  }),
};
