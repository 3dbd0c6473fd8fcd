// The network filter that speaks HTTP → Envoy's HttpConnectionManager. Source of the values: Istio pilot/pkg/networking/core/listener*.go.

import type { FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import type { HttpConnectionManagerJson } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { any } from "../../envoy/any.ts";
import { defined } from "../../envoy/defined.ts";
import type { MeshSettings, PathNormalization } from "../../model/mesh.ts";
import { adsConfigSource } from "../config-source.ts";
import { accessLog } from "./access-log.ts";
import type { FilterPlace } from "./http-filters.ts";
import { httpFilters } from "./http-filters.ts";
import { jwtLocalReply } from "./jwt-filter.ts";
import { believesMarks, withoutMirrorHeader } from "./mirror-mark.ts";
import { requestStatsLogs, toldStatsLogs } from "./stats-log.ts";
import { requestTapLog } from "./tap-log.ts";
import { traceReading, tracing } from "./tracing.ts";

export interface HttpPlace extends FilterPlace {
  /** Stats prefix, without dots. */
  readonly statPrefix: string;
  /** A name to ask for by RDS, or routes that never change. */
  readonly routes: string | RouteConfigurationJson;
  readonly settings: MeshSettings;
  /** Inbound only: whose requests these are (`serviceText`). */
  readonly service?: string;
}

/** The filter, ready for a filter chain. */
export function httpConnectionManagerFilter(place: HttpPlace): FilterJson {
  return {
    name: "envoy.filters.network.http_connection_manager",
    typedConfig: any(HttpConnectionManagerSchema, httpConnectionManager(place)),
  };
}

/** The HTTP connection manager of one place. */
export function httpConnectionManager(place: HttpPlace): HttpConnectionManagerJson {
  const { statPrefix, routes, settings } = place;
  const { earlyHeaderMutationExtensions = [], requestIdExtension } = traceReading(place);
  return defined<HttpConnectionManagerJson>({
    statPrefix,
    codecType: "AUTO",
    rds: typeof routes === "string" ? { routeConfigName: routes, configSource: adsConfigSource } : undefined,
    routeConfig: typeof routes === "string" ? undefined : routes,
    httpFilters: httpFilters(place),
    accessLog: [
      ...accessLog(settings, place.direction === "inbound" ? "inbound" : "outbound", believesMarks(place) ? "believed" : "none"),
      ...requestStatsLogs(place),
      ...(place.direction === "inbound" ? toldStatsLogs() : []),
      ...requestTapLog(place),
    ],
    tracing: tracing(place),
    requestIdExtension,
    earlyHeaderMutationExtensions: [...earlyHeaderMutationExtensions, ...(believesMarks(place) ? [] : [withoutMirrorHeader])],
    localReplyConfig: place.direction === "outbound" ? undefined : jwtLocalReply,
    // The application's own header stays (Istio: PASS_THROUGH at the application's side).
    serverHeaderTransformation: "PASS_THROUGH",
    ...pathNormalizationFields(settings.pathNormalization),
    // "web.shop.svc.cluster.local." is the same host, and a common way around the resolver's search list.
    stripTrailingHostDot: true,
    upgradeConfigs: [{ upgradeType: "websocket" }],
    // Streams may be silent as long as they like; routes have timeouts (Istio sets 0s as well).
    streamIdleTimeout: "0s",
    // Longer than any client's idle timeout of 1 h, so that the client, which knows what it sends, closes first.
    commonHttpProtocolOptions: { idleTimeout: "7200s" },
    ...trust(place),
  });
}

/** MeshConfig.pathNormalization, as Istio's pilot sets it (networking/core/listener_builder.go). */
export function pathNormalizationFields(level: PathNormalization): HttpConnectionManagerJson {
  const decodes = level === "DECODE_AND_MERGE_SLASHES";
  return defined<HttpConnectionManagerJson>({
    normalizePath: level === "NONE" ? undefined : true,
    mergeSlashes: decodes || level === "MERGE_SLASHES" ? true : undefined,
    pathWithEscapedSlashesAction: decodes ? "UNESCAPE_AND_FORWARD" : undefined,
  });
}

/**
 * What is believed of a request's headers. Gateways face strangers: the address is taken from the connection and the trusted hops, nobody
 * counts as internal, so Envoy drops x-envoy-* of theirs. Sidecars face their own application and other proxies.
 */
function trust({ direction, isMutual = false, settings }: HttpPlace): HttpConnectionManagerJson {
  if (direction !== "gateway") return { useRemoteAddress: false, internalAddressConfig: {}, ...clientCertificate(isMutual) };
  return {
    useRemoteAddress: true,
    xffNumTrustedHops: settings.numTrustedProxies,
    internalAddressConfig: {},
    preserveExternalRequestId: true,
    forwardClientCertDetails: "SANITIZE_SET",
    setCurrentClientCertDetails: { subject: true, cert: true, dns: true, uri: true },
  };
}

/** x-forwarded-client-cert says who is at the connection's other end, and nothing that anybody else wrote. */
function clientCertificate(isMutual: boolean): HttpConnectionManagerJson {
  if (!isMutual) return { forwardClientCertDetails: "SANITIZE" };
  return { forwardClientCertDetails: "SANITIZE_SET", setCurrentClientCertDetails: { subject: true, dns: true, uri: true } };
}
