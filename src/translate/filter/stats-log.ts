// Access loggers that count: Istio's standard metrics by few composite tags, which the collector makes Istio's labels of. Requests are counted in the
// proxy, at their end; connections are logged to the control plane while they live, because Envoy's logger would add cumulative bytes again each time.

import type { AccessLogFilterJson, AccessLogJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import type { ConfigJson } from "#envoy/envoy/extensions/access_loggers/stats/v3/stats_pb.js";
import { ConfigSchema } from "#envoy/envoy/extensions/access_loggers/stats/v3/stats_pb.js";
import type { TcpProxyJson } from "#envoy/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import { any } from "../../envoy/any.ts";
import { telemetryRuntimeKeys } from "../../model/telemetry.ts";
import { joinedTag, joinParts, joinTags } from "../../telemetry/composite-tags.ts";
import {
  maxCountersOfProxy,
  maxHistogramsOfProxy,
  templateTag,
  toldRequestsTotal,
  triesTotal,
  tryDuration,
  untoldTriesTotal,
} from "../../telemetry/proxy-reports.ts";
import { clusterServiceText, templateKey } from "../service-text.ts";
import { connectionLog, connectionReportInterval, messageLog } from "./connection-log.ts";
import { hasManyMessages, oneRequestMessage, oneResponseMessage } from "./grpc-messages.ts";
import type { HttpPlace } from "./http-connection-manager.ts";
import { believesMarks } from "./mirror-mark.ts";
import { and, isCopy, isGrpc, isNoCopy, isNotGrpc, isTold, isUntold, mayHaveBody } from "./stats-filters.ts";
import type { StatsSide, TagFormats } from "./stats-tags.ts";
import { requestedService, tagFormats } from "./stats-tags.ts";
import type { TcpPlace } from "./tcp-proxy.ts";

type Metric = Pick<ConfigJson, "counters" | "histograms">;

/** The counting loggers of an HTTP connection manager: every request passes the filter of one of them. */
export function requestStatsLogs(place: HttpPlace): AccessLogJson[] {
  const side = sideOf(place);
  const believes = believesMarks(place);
  const [http, grpc] = [tagFormats(side, { protocol: "http", mirrored: false }), tagFormats(side, { protocol: "grpc", mirrored: false })];
  const httpFilter = believes ? and(isNotGrpc, isNoCopy) : isNotGrpc;
  const grpcFilter = believes ? and(isGrpc, isNoCopy) : isGrpc;
  return [
    statsLog(answerMetrics(http), httpFilter),
    // First what is false for most requests: then nothing else is asked.
    statsLog(bodyMetrics(http), and(mayHaveBody, httpFilter)),
    statsLog(grpcMetrics(grpc), grpcFilter),
    messageLog(grpc, and(grpcFilter, hasManyMessages)),
    ...(believes ? [statsLog(requestMetrics(tagFormats(side, { protocol: "request", mirrored: true })), isCopy)] : []),
  ];
}

/** The counting loggers of a TCP proxy. */
export function connectionStatsLogs(place: TcpPlace): AccessLogJson[] {
  const { inbound } = place;
  const side: StatsSide = inbound === undefined ? { reporter: "source" } : { reporter: "destination", ...inbound };
  return [connectionLog(side.reporter, tagFormats(side, { protocol: "tcp", mirrored: false }))];
}

/** When a TCP proxy's loggers are called, besides at a connection's end. */
export function connectionLogOptions(_place: TcpPlace): TcpProxyJson["accessLogOptions"] {
  return { flushAccessLogOnConnected: true, accessLogFlushInterval: connectionReportInterval };
}

/** Loggers of a router's upstream side, where a release judges: each try by itself, so that retries hide nothing. */
export function tryStatsLogs(): AccessLogJson[] {
  const { traffic = "" } = tagFormats({ reporter: "source" }, { protocol: "request", mirrored: false });
  const untold: Metric = { counters: [{ stat: stat(untoldTriesTotal, { traffic, service: requestedService }), valueFixed: "1" }] };
  const tries = [false, true].map((mirrored) => {
    // A tag of its own: what becomes of the others, Istio's series know no templates.
    const template = `%UPSTREAM_METADATA(istio:${templateKey})%`;
    const tags = { ...tagFormats({ reporter: "source" }, { protocol: "request", mirrored }), [templateTag]: template };
    const metrics: Metric = {
      counters: [{ stat: stat(triesTotal, tags), valueFixed: "1" }],
      histograms: [{ stat: stat(tryDuration, tags), unit: "Milliseconds", valueFormat: "%DURATION%" }],
    };
    return statsLog(metrics, mirrored ? isCopy : isNoCopy);
  });
  return [...tries, statsLog(untold, and(isUntold, isNoCopy))];
}

/** Of a server's connection manager, silent without a runtime key: what it got that names the user, and so should pass on while its own tries count. */
export function toldStatsLogs(): AccessLogJson[] {
  const counters = [{ stat: stat(toldRequestsTotal, { traffic: joinParts(["destination", "http"]) }), valueFixed: "1" }];
  return [statsLog({ counters }, and(isJudging, isTold, isNoCopy))];
}

const isJudging: AccessLogFilterJson = {
  runtimeFilter: {
    runtimeKey: telemetryRuntimeKeys.tries,
    percentSampled: { numerator: 0, denominator: "HUNDRED" },
    useIndependentRandomness: true,
  },
};

function sideOf({ direction, isMutual = false, service }: HttpPlace): StatsSide {
  if (direction !== "inbound") return { reporter: "source" };
  return { reporter: "destination", service: service ?? clusterServiceText("InboundPassthroughCluster"), isMutual };
}

/** Of all requests. Their number is that of the durations (telemetry/request-counts.ts). */
function answerMetrics(tags: TagFormats) {
  const joined = { [joinedTag]: joinTags(tags) };
  return {
    histograms: [
      { stat: stat("istio_request_duration_milliseconds", joined), unit: "Milliseconds", valueFormat: "%DURATION%" },
      { stat: stat("istio_response_bytes", joined), unit: "Bytes", valueFormat: "%BYTES_SENT%" },
    ],
  } as const satisfies Metric;
}

/** Of requests that may have a body: the others' zeros are added where they are collected (telemetry/bodiless-requests.ts). Bytes are bodies', as in Istio. */
function bodyMetrics(tags: TagFormats) {
  const joined = { [joinedTag]: joinTags(tags) };
  return {
    histograms: [{ stat: stat("istio_request_bytes", joined), unit: "Bytes", valueFormat: "%BYTES_RECEIVED%" }],
  } as const satisfies Metric;
}

function requestMetrics(tags: TagFormats): Metric {
  return { histograms: [...answerMetrics(tags).histograms, ...bodyMetrics(tags).histograms] };
}

/** Messages of calls with one of them each way, and of those that were refused; the others are logged (telemetry/message-log.ts). */
function grpcMetrics(tags: TagFormats): Metric {
  const joined = { [joinedTag]: joinTags(tags) };
  const counters = [
    { stat: stat("istio_request_messages_total", joined), valueFormat: oneRequestMessage },
    { stat: stat("istio_response_messages_total", joined), valueFormat: oneResponseMessage },
  ];
  return { ...requestMetrics(tags), counters };
}

function stat(name: string, tags: Readonly<Record<string, string>>) {
  return { name, tags: Object.entries(tags).map(([tag, valueFormat]) => ({ name: tag, valueFormat })) };
}

/** One scope for all loggers of the process: counts outlive the listeners they were made in. */
const statsScope = {
  sharingName: "istio",
  maxCounters: maxCountersOfProxy,
  maxHistograms: maxHistogramsOfProxy,
  enableEviction: true,
} as const satisfies ConfigJson["statsScope"];

function statsLog(metric: Metric, filter: AccessLogFilterJson): AccessLogJson {
  return { name: "envoy.access_loggers.stats", filter, typedConfig: any(ConfigSchema, { statsScope, ...metric }) };
}
