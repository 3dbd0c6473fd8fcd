// What is spoken to a cluster's endpoints and how long its connections live → Envoy's HttpProtocolOptions.

import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { HttpProtocolOptionsJson as CommonJson, Http2ProtocolOptionsJson } from "#envoy/envoy/config/core/v3/protocol_pb.js";
import type { HttpProtocolOptionsJson } from "#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { HttpProtocolOptionsSchema } from "#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import type { ConnectionPoolSettings } from "../../api/networking/destination-rule.ts";
import { any } from "../../envoy/any.ts";
import { defined } from "../../envoy/defined.ts";
import type { DurationMs } from "../../lib/duration.ts";
import { protoDuration } from "../../lib/duration.ts";
import type { PortProtocol } from "../../model/mesh.ts";
import { isHttp, isHttp2 } from "../../model/protocol.ts";

const extensionName = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

export interface HttpOptions {
  readonly protocol: PortProtocol;
  readonly connectionPool?: ConnectionPoolSettings | undefined;
  /** Where DestinationRules have no say. */
  readonly idleTimeout?: DurationMs;
  /** Whether TLS names the host of each request (SNI). */
  readonly autoSni?: boolean | undefined;
}

/** The cluster's typed options; undefined for clusters that never carry HTTP. */
export function httpProtocolOptions(options: HttpOptions): { readonly [name: string]: AnyJson } | undefined {
  const { protocol, connectionPool, autoSni } = options;
  if (!isHttp(protocol) && protocol !== "detect") return undefined;
  const http = connectionPool?.http;
  return {
    [extensionName]: any(
      HttpProtocolOptionsSchema,
      defined<HttpProtocolOptionsJson>({
        commonHttpProtocolOptions: commonOptions(options),
        upstreamHttpProtocolOptions: autoSni === true ? { autoSni } : undefined,
        ...upstreamProtocol(protocol, http),
      }),
    ),
  };
}

function commonOptions({ connectionPool, idleTimeout }: HttpOptions): CommonJson | undefined {
  const http = connectionPool?.http;
  const idle = http?.idleTimeout ?? idleTimeout;
  const longest = connectionPool?.tcp?.maxConnectionDuration;
  const requests = http?.maxRequestsPerConnection;
  if (idle === undefined && longest === undefined && (requests ?? 0) === 0) return undefined;
  return defined<CommonJson>({
    idleTimeout: idle === undefined ? undefined : protoDuration(idle),
    maxConnectionDuration: longest === undefined ? undefined : protoDuration(longest),
    maxRequestsPerConnection: requests === undefined || requests <= 0 ? undefined : requests,
  });
}

type Upstream = Pick<HttpProtocolOptionsJson, "explicitHttpConfig" | "useDownstreamProtocolConfig">;

/** HTTP/2 where declared or upgraded to; whatever the client speaks where asked for or undeclared; else HTTP/1.1. */
function upstreamProtocol(protocol: PortProtocol, http: ConnectionPoolSettings["http"]): Upstream {
  const http2ProtocolOptions = http2Options(http);
  if (http?.useClientProtocol === true || protocol === "detect") {
    return { useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions } };
  }
  return { explicitHttpConfig: speaksHttp2(protocol, http) ? { http2ProtocolOptions } : { httpProtocolOptions: {} } };
}

/** Whether a cluster is spoken to in HTTP/2 whatever the client speaks. */
export function speaksHttp2(protocol: PortProtocol, http: ConnectionPoolSettings["http"]): boolean {
  if (http?.useClientProtocol === true || !isHttp(protocol)) return false;
  return isHttp2(protocol) || http?.h2UpgradePolicy === "UPGRADE";
}

function http2Options(http: ConnectionPoolSettings["http"]): Http2ProtocolOptionsJson {
  const keepAlive = http?.http2KeepAlive;
  const streams = http?.maxConcurrentStreams;
  return defined<Http2ProtocolOptionsJson>({
    maxConcurrentStreams: streams === undefined || streams <= 0 ? undefined : streams,
    connectionKeepalive:
      keepAlive?.interval === undefined && keepAlive?.timeout === undefined
        ? undefined
        : defined<NonNullable<Http2ProtocolOptionsJson["connectionKeepalive"]>>({
            interval: keepAlive.interval === undefined ? undefined : protoDuration(keepAlive.interval),
            // Envoy wants a timeout; Istio's API has no default for it.
            timeout: keepAlive.timeout === undefined ? "10s" : protoDuration(keepAlive.timeout),
          }),
  });
}
