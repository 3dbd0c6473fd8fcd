// Traces: which requests are sampled and where their spans go → HttpConnectionManager.Tracing. Nothing in it names a pod, because proxies share
// listeners: who sent a span says the connection that brings it. Source of the values: Istio pilot/pkg/networking/core/tracing.go.

import { OpenTelemetryConfigSchema } from "#envoy/envoy/config/trace/v3/opentelemetry_pb.js";
import type {
  HttpConnectionManager_TracingJson,
  HttpConnectionManagerJson,
} from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { CustomTag_EnvironmentJson, CustomTag_HeaderJson, CustomTagJson } from "#envoy/envoy/type/tracing/v3/custom_tag_pb.js";
import { any } from "../../envoy/any.ts";
import { defined } from "../../envoy/defined.ts";
import { xdsClusterName } from "../../envoy/names.ts";
import { defaultSampling, meshListenerTelemetry } from "../../model/telemetry.ts";
import type { SideTracing, TraceTag } from "../../model/telemetry-settings.ts";
import { copyMark } from "../../telemetry/proxy-reports.ts";
import { traceHeaders, traceRequestId } from "./b3.ts";
import type { HttpPlace } from "./http-connection-manager.ts";

/**
 * The tracing of one place; undefined where no spans are made.
 *
 * The share of sampled traces is a runtime key (`tracing.random_sampling`), so that changing it replaces no listener; what stands here is the
 * default. A trace that came sampled stays so (b3.ts).
 */
export function tracing({ direction, settings }: HttpPlace): HttpConnectionManager_TracingJson | undefined {
  const { tags, sampling = defaultSampling, isOff } = sideTracing({ direction, settings });
  if (isOff) return undefined;
  return defined<HttpConnectionManager_TracingJson>({
    clientSampling: { value: 100 },
    randomSampling: { value: sampling },
    overallSampling: { value: 100 },
    customTags: [...(direction === "gateway" ? [] : [mirroredTag]), routeTag, ...tags.map(customTag)],
    // Istio: gateways tell their tries apart, sidecars have one span a side.
    spawnUpstreamSpan: direction === "gateway" ? true : undefined,
    provider: {
      name: "envoy.tracers.opentelemetry",
      typedConfig: any(OpenTelemetryConfigSchema, {
        grpcService: { envoyGrpc: { clusterName: xdsClusterName }, timeout: "1s" },
        // The collector knows better; without it Envoy writes "unknown_service:envoy".
        serviceName: "proxy",
        // 200 bytes per report that say nothing new.
        setTelemetrySdkResourceAttributes: false,
        setInstrumentationScope: false,
      }),
    },
  });
}

function sideTracing({ direction, settings }: Pick<HttpPlace, "direction" | "settings">): SideTracing {
  const sides = settings.listenerTelemetry ?? meshListenerTelemetry(settings);
  return direction === "inbound" ? sides.inbound : sides.outbound;
}

type TraceReading = Pick<HttpConnectionManagerJson, "earlyHeaderMutationExtensions" | "requestIdExtension">;

/**
 * What is read of a request's trace before tracing looks at it, and where decisions are noted. Strangers may come with B3; inside it is read where Zipkin is
 * the provider.
 */
export function traceReading(place: Pick<HttpPlace, "direction" | "settings">): TraceReading {
  const { isOff, b3 } = sideTracing(place);
  if (isOff) return {};
  const kinds = { b3: b3 || place.direction === "gateway" };
  return defined<TraceReading>({ earlyHeaderMutationExtensions: [traceHeaders(kinds)], requestIdExtension: traceRequestId(kinds) });
}

/** Whether applications get B3 headers beside W3C's. */
export function givesB3(settings: HttpPlace["settings"]): boolean {
  const { isOff, b3 } = sideTracing({ direction: "inbound", settings });
  return b3 && !isOff;
}

/** A copy that a mirror made, or what such a copy caused; strangers' marks are taken off. Only sampled requests pay for it. */
const mirroredTag: CustomTagJson = { tag: "lateen.mirrored", value: copyMark };

/** The rule that decided where the request goes. */
const routeTag: CustomTagJson = { tag: "lateen.route", value: "%ROUTE_NAME%" };

function customTag({ name, source: { literal, environment, header, formatter } }: TraceTag): CustomTagJson {
  return defined<CustomTagJson>({
    tag: name,
    literal,
    environment: environment === undefined ? undefined : defined<CustomTag_EnvironmentJson>(environment),
    requestHeader: header === undefined ? undefined : defined<CustomTag_HeaderJson>(header),
    value: formatter?.value,
  });
}
