// Reports as a proxy's stat sink sends them: cumulative counts of calls to and from some services, growing each second. For simulated proxies.

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ExportMetricsServiceRequestSchema } from "#envoy/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.js";
import { AggregationTemporality, type MetricSchema } from "#envoy/opentelemetry/proto/metrics/v1/metrics_pb.js";
import { type CompositeTags, joinedTag, joinParts, joinTags } from "../../src/telemetry/composite-tags.ts";

/** Envoy's default buckets, in whatever unit. */
const bounds = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000];

/** Share of requests that have a body: of the others a proxy says nothing, and the collector adds their zeros. */
const withBody = 0.25;

export interface ReportPlan {
  /** Names of services that this proxy calls, and of callers that call it. */
  readonly calls: readonly string[];
  readonly callers: readonly string[];
  readonly namespace: string;
  readonly requestsPerSecond: number;
}

type Tags = Readonly<Record<string, string>>;

/** One simulated proxy's counts. */
export class ProxyReport {
  readonly #series: readonly Tags[];
  readonly #counts: number[];
  readonly #startedMs: number;
  readonly #perSecond: number;
  #next = 0;

  constructor({ calls, callers, namespace, requestsPerSecond }: ReportPlan, nowMs: number) {
    this.#series = [...calls.map((name) => outgoing(name, namespace)), ...callers.map((name) => incoming(name, namespace))];
    this.#counts = this.#series.map(() => 0);
    this.#startedMs = nowMs;
    this.#perSecond = requestsPerSecond;
  }

  /** Counts a second's requests, spread over the series in turn. */
  count(): void {
    if (this.#series.length === 0) return;
    for (let left = this.#perSecond; left > 0; left -= 1) {
      this.#next = (this.#next + 1) % this.#series.length;
      this.#counts[this.#next] = (this.#counts[this.#next] ?? 0) + 1;
    }
  }

  /** The report of this moment; series without a count aren't there, as with Envoy. */
  bytes(nowMs: number): Uint8Array {
    const times = { startTimeUnixNano: BigInt(Math.round(this.#startedMs * 1000)), timeUnixNano: BigInt(Math.round(nowMs)) * 1_000_000n };
    const shown = (share: number) =>
      this.#series.flatMap((tags, index) => {
        const count = Math.floor((this.#counts[index] ?? 0) * share);
        return count === 0 ? [] : [{ attributes: attributesOf(tags), count }];
      });
    const histogram = (name: string, unit: string, value: number, share = 1): MessageInitShape<typeof MetricSchema> => ({
      name,
      unit,
      data: {
        case: "histogram",
        value: {
          aggregationTemporality: AggregationTemporality.CUMULATIVE,
          dataPoints: shown(share).map(({ attributes, count }) => ({
            ...times,
            attributes,
            count: BigInt(count),
            sum: count * value,
            explicitBounds: bounds,
            bucketCounts: bounds.map((bound, at) => (value <= bound && value > (bounds[at - 1] ?? 0) ? BigInt(count) : 0n)).concat(0n),
          })),
        },
      },
    });
    const metrics: MessageInitShape<typeof MetricSchema>[] = [
      {
        name: "server.uptime",
        data: { case: "gauge", value: { dataPoints: [{ timeUnixNano: times.timeUnixNano, value: { case: "asInt", value: 1n } }] } },
      },
      histogram("istio_request_duration_milliseconds", "ms", 7),
      histogram("istio_request_bytes", "By", 200, withBody),
      histogram("istio_response_bytes", "By", 3000),
    ];
    const request = create(ExportMetricsServiceRequestSchema, { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
    return toBinary(ExportMetricsServiceRequestSchema, request);
  }
}

function attributesOf(
  tags: Tags,
): { readonly key: string; readonly value: { readonly value: { readonly case: "stringValue"; readonly value: string } } }[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value: { value: { case: "stringValue", value } } }));
}

function serviceText(name: string, namespace: string): string {
  return joinParts([`${name}.${namespace}.svc.cluster.local`, name, namespace, "80"]);
}

function joined(tags: CompositeTags): Tags {
  return { [joinedTag]: joinTags(tags) };
}

function outgoing(name: string, namespace: string): Tags {
  return joined({
    traffic: "source;http",
    destination: joinParts([`${name}-v1`, namespace, name, "v1", "Kubernetes"]),
    service: serviceText(name, namespace),
    response: "200;-",
    security: `unknown;;spiffe://cluster.local/ns/${namespace}/sa/${name}`,
  });
}

function incoming(name: string, namespace: string): Tags {
  return joined({
    traffic: "destination;http",
    source: `v1.${name}-v1.${namespace}.workload.lateen`,
    service: serviceText("self", namespace),
    response: "200;-",
    security: `mutual_tls;;spiffe://cluster.local/ns/${namespace}/sa/${name}`,
  });
}
