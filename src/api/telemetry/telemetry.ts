// Telemetry (telemetry.istio.io): schema and types. Says what proxies log and trace. Fields follow istio/api
// telemetry/v1alpha1/telemetry.proto; checks are in telemetry-checks.ts, what it makes of a proxy in model/telemetry.ts.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { anyStatus, duration } from "../scalars.ts";
import { targetRef, workloadSelector } from "../security/selection.ts";

/** An extensionProvider of MeshConfig by its name, or one that is built in ("envoy", "prometheus"). */
const providers = z.array(z.strictObject({ name: z.string().min(1) })).default([]);

/** Which side of a proxy: CLIENT is what its workload calls (and all of a gateway), SERVER what calls its workload. */
const mode = z.enum(["CLIENT_AND_SERVER", "CLIENT", "SERVER"]);

/** Where a span's tag comes from: exactly one of them. */
export const customTag = z.strictObject({
  literal: z.strictObject({ value: z.string().min(1) }).optional(),
  /** A variable in the environment of the proxy, not of the application. */
  environment: z.strictObject({ name: z.string().min(1), defaultValue: z.string().optional() }).optional(),
  header: z.strictObject({ name: z.string().min(1), defaultValue: z.string().optional() }).optional(),
  /** The text of an access log's format. */
  formatter: z.strictObject({ value: z.string().min(1) }).optional(),
});

const tracing = z.strictObject({
  match: z.strictObject({ mode: mode.optional() }).optional(),
  /** Only the first one counts, as in Istio. */
  providers,
  /** Share of the traces begun here; 0 to 100, in steps of 0.01. */
  randomSamplingPercentage: z.number().min(0).max(100).optional(),
  disableSpanReporting: z.boolean().optional(),
  customTags: z.record(z.string(), customTag).optional(),
  useRequestIdForTraceSampling: z.boolean().optional(),
  enableIstioTags: z.boolean().optional(),
  disableContextPropagation: z.boolean().optional(),
});

const accessLogging = z.strictObject({
  match: z.strictObject({ mode: mode.optional() }).optional(),
  providers,
  disabled: z.boolean().optional(),
  /** CEL. */
  filter: z.strictObject({ expression: z.string().optional() }).optional(),
});

const istioMetrics = [
  "ALL_METRICS",
  "REQUEST_COUNT",
  "REQUEST_DURATION",
  "REQUEST_SIZE",
  "RESPONSE_SIZE",
  "TCP_OPENED_CONNECTIONS",
  "TCP_CLOSED_CONNECTIONS",
  "TCP_SENT_BYTES",
  "TCP_RECEIVED_BYTES",
  "GRPC_REQUEST_MESSAGES",
  "GRPC_RESPONSE_MESSAGES",
] as const;

const metrics = z.strictObject({
  providers,
  overrides: z
    .array(
      z.strictObject({
        match: z
          .strictObject({ metric: z.enum(istioMetrics).optional(), customMetric: z.string().optional(), mode: mode.optional() })
          .optional(),
        disabled: z.boolean().optional(),
        tagOverrides: z
          .record(z.string(), z.strictObject({ operation: z.enum(["UPSERT", "REMOVE"]).optional(), value: z.string().optional() }))
          .optional(),
      }),
    )
    .default([]),
  reportingInterval: duration.optional(),
});

export const telemetrySchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("Telemetry"),
  metadata: namespacedMetaSchema,
  spec: z
    .strictObject({
      selector: workloadSelector.optional(),
      targetRef: targetRef.optional(),
      targetRefs: z.array(targetRef).default([]),
      tracing: z.array(tracing).default([]),
      accessLogging: z.array(accessLogging).default([]),
      metrics: z.array(metrics).default([]),
    })
    .default({ targetRefs: [], tracing: [], accessLogging: [], metrics: [] }),
  status: anyStatus,
});

export type Telemetry = z.output<typeof telemetrySchema>;
export type TelemetryTracing = z.output<typeof tracing>;
export type TelemetryAccessLogging = z.output<typeof accessLogging>;
export type TelemetryCustomTag = z.output<typeof customTag>;
