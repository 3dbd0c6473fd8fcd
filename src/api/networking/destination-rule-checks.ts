// Checks of one DestinationRule beyond its structure: Istio's CEL rules and validation, each with cause and fix.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { checkLabels, checkUnique, invalidName, isDnsLabel, isHeaderName } from "../names.ts";
import { checkClientTls } from "./client-tls-checks.ts";
import { checkAtLeastOneMs, checkHostPattern, checkNotNegative, checkPercent } from "./common-checks.ts";
import type {
  ConnectionPoolSettings,
  ConsistentHash,
  DestinationRule,
  LoadBalancerSettings,
  OutlierDetection,
  PortTrafficPolicy,
  Subset,
  TrafficPolicy,
} from "./destination-rule.ts";

/** All findings of one DestinationRule. */
export function checkDestinationRule({ spec }: DestinationRule): readonly Finding[] {
  return [
    ...checkHostPattern(spec.host, ["spec", "host"]),
    ...checkTrafficPolicy(spec.trafficPolicy, ["spec", "trafficPolicy"]),
    ...spec.subsets.flatMap((subset, index) => checkSubset(subset, ["spec", "subsets", index])),
    ...checkUnique(
      spec.subsets.map(({ name }) => name),
      (index) => ["spec", "subsets", index, "name"],
      { code: "LTN0301", what: "the subset" },
    ),
  ];
}

function checkSubset(subset: Subset, path: FieldPath): readonly Finding[] {
  const name = isDnsLabel(subset.name)
    ? []
    : [invalidName([...path, "name"], subset.name, "Use lower-case letters, digits and '-' (at most 63).")];
  return [
    ...name,
    ...checkLabels(subset.labels, [...path, "labels"]),
    ...checkTrafficPolicy(subset.trafficPolicy, [...path, "trafficPolicy"]),
  ];
}

function checkTrafficPolicy(policy: TrafficPolicy | undefined, path: FieldPath): readonly Finding[] {
  if (policy === undefined) return [];
  const at = [...path, "portLevelSettings"];
  return [
    ...checkSettings(policy, path),
    ...policy.portLevelSettings.flatMap((settings, index) => checkSettings(settings, [...at, index])),
    ...checkUnique(
      policy.portLevelSettings.map(({ port }) => port.number),
      (index) => [...at, index, "port", "number"],
      { code: "LTN0302", what: "the port" },
    ),
    ...checkPercent(policy.retryBudget?.percent, [...path, "retryBudget", "percent"]),
  ];
}

function checkSettings(settings: TrafficPolicy | PortTrafficPolicy, path: FieldPath): readonly Finding[] {
  return [
    ...checkLoadBalancer(settings.loadBalancer, [...path, "loadBalancer"]),
    ...checkConnectionPool(settings.connectionPool, [...path, "connectionPool"]),
    ...checkOutlierDetection(settings.outlierDetection, [...path, "outlierDetection"]),
    ...checkClientTls(settings.tls, [...path, "tls"]),
  ];
}

function checkLoadBalancer(loadBalancer: LoadBalancerSettings | undefined, path: FieldPath): readonly Finding[] {
  if (loadBalancer === undefined) return [];
  const { simple, consistentHash } = loadBalancer;
  if (simple !== undefined && consistentHash !== undefined) {
    return [{ code: "LTN0303", path, message: `\`${printPath(path)}\` has simple and consistentHash`, fix: "Keep one of them." }];
  }
  return consistentHash === undefined ? [] : checkConsistentHash(consistentHash, [...path, "consistentHash"]);
}

/** Largest Maglev table Envoy takes. */
const maxMaglevTable = 5_000_011;

function checkConsistentHash(hash: ConsistentHash, path: FieldPath): readonly Finding[] {
  const name = printPath(path);
  const keys = [
    ...(hash.httpHeaderName === undefined ? [] : ["httpHeaderName"]),
    ...(hash.httpCookie === undefined ? [] : ["httpCookie"]),
    ...(hash.useSourceIp === undefined ? [] : ["useSourceIp"]),
    ...(hash.httpQueryParameterName === undefined ? [] : ["httpQueryParameterName"]),
  ];
  const findings: Finding[] = [];
  if (keys.length !== 1) {
    const cause = keys.length === 0 ? "has nothing to hash on" : `hashes on ${keys.join(" and ")}`;
    findings.push({
      code: "LTN0303",
      path,
      message: `\`${name}\` ${cause}`,
      fix: "Give exactly one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName.",
    });
  }
  if (hash.ringHash !== undefined && hash.maglev !== undefined) {
    findings.push({ code: "LTN0303", path, message: `\`${name}\` has ringHash and maglev`, fix: "Keep one of them." });
  }
  if (hash.httpHeaderName !== undefined && !isHeaderName(hash.httpHeaderName)) {
    const at = [...path, "httpHeaderName"];
    findings.push({ code: "LTN0213", path: at, message: `\`${printPath(at)}\` is not a header name`, fix: "Use letters, digits and '-'." });
  }
  const size = hash.maglev?.tableSize;
  if (size !== undefined && !(isPrime(size) && size <= maxMaglevTable)) {
    const at = [...path, "maglev", "tableSize"];
    findings.push({
      code: "LTN0304",
      path: at,
      message: `\`${printPath(at)}\` is ${size}, not a prime number up to ${maxMaglevTable}`,
      fix: "Use 65537.",
    });
  }
  return [...findings, ...checkNotNegative(hash.httpCookie?.ttl, [...path, "httpCookie", "ttl"])];
}

function isPrime(value: number): boolean {
  if (value < 2 || value > maxMaglevTable) return false;
  for (let divisor = 2; divisor * divisor <= value; divisor += 1) if (value % divisor === 0) return false;
  return true;
}

function checkConnectionPool(pool: ConnectionPoolSettings | undefined, path: FieldPath): readonly Finding[] {
  const tcpPath = [...path, "tcp"];
  const httpPath = [...path, "http"];
  const tcp = pool?.tcp;
  const http = pool?.http;
  const conflict: readonly Finding[] =
    http?.useClientProtocol === true && http.h2UpgradePolicy === "UPGRADE"
      ? [
          {
            code: "LTN0305",
            path: httpPath,
            message: `\`${printPath(httpPath)}\` keeps the client's protocol and upgrades it`,
            fix: "Remove useClientProtocol or h2UpgradePolicy.",
          },
        ]
      : [];
  const counts = [
    checkCount(tcp?.maxConnections, [...tcpPath, "maxConnections"]),
    ...(["http1MaxPendingRequests", "http2MaxRequests", "maxRequestsPerConnection", "maxRetries", "maxConcurrentStreams"] as const).map(
      (field) => checkCount(http?.[field], [...httpPath, field]),
    ),
  ].flat();
  return [
    ...counts,
    ...checkAtLeastOneMs(tcp?.connectTimeout, [...tcpPath, "connectTimeout"]),
    ...checkAtLeastOneMs(tcp?.maxConnectionDuration, [...tcpPath, "maxConnectionDuration"]),
    ...checkNotNegative(tcp?.idleTimeout, [...tcpPath, "idleTimeout"]),
    ...checkWholeSeconds(tcp?.tcpKeepalive?.time, [...tcpPath, "tcpKeepalive", "time"]),
    ...checkWholeSeconds(tcp?.tcpKeepalive?.interval, [...tcpPath, "tcpKeepalive", "interval"]),
    ...checkNotNegative(http?.idleTimeout, [...httpPath, "idleTimeout"]),
    ...checkAtLeastOneMs(http?.http2KeepAlive?.interval, [...httpPath, "http2KeepAlive", "interval"]),
    ...checkAtLeastOneMs(http?.http2KeepAlive?.timeout, [...httpPath, "http2KeepAlive", "timeout"]),
    ...conflict,
  ];
}

function checkCount(value: number | undefined, path: FieldPath): readonly Finding[] {
  if (value === undefined || value >= 0) return [];
  return [{ code: "LTN0306", path, message: `\`${printPath(path)}\` is ${value}`, fix: "Use 0 or more." }];
}

/** MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL of Linux. */
const longestKeepaliveMs = 32_767_000;

/** The kernel counts keep-alive times in seconds. */
function checkWholeSeconds(value: number | undefined, path: FieldPath): readonly Finding[] {
  if (value === undefined || (value >= 1000 && value <= longestKeepaliveMs)) return [];
  const wrong = value < 1000 ? "shorter than 1 s" : "longer than the kernel can count";
  return [{ code: "LTN0211", path, message: `\`${printPath(path)}\` is ${wrong}`, fix: "Write 1s or more, at most 32767s." }];
}

function checkOutlierDetection(outlier: OutlierDetection | undefined, path: FieldPath): readonly Finding[] {
  if (outlier === undefined) return [];
  const localFailures: readonly Finding[] =
    outlier.consecutiveLocalOriginFailures !== undefined && outlier.splitExternalLocalOriginErrors !== true
      ? [
          {
            code: "LTN0307",
            path: [...path, "consecutiveLocalOriginFailures"],
            message: `\`${printPath([...path, "consecutiveLocalOriginFailures"])}\` acts only with splitExternalLocalOriginErrors: true`,
            fix: "Add splitExternalLocalOriginErrors: true, or remove it.",
          },
        ]
      : [];
  return [
    ...checkPercent(outlier.maxEjectionPercent, [...path, "maxEjectionPercent"]),
    ...checkPercent(outlier.minHealthPercent, [...path, "minHealthPercent"]),
    ...checkAtLeastOneMs(outlier.interval, [...path, "interval"]),
    ...checkAtLeastOneMs(outlier.baseEjectionTime, [...path, "baseEjectionTime"]),
    ...localFailures,
  ];
}
