// A proxy's record → an event with both ends, its rule, and what it shares with the other proxy's record. Pure.

import type { TapEvent, TapHalf } from "../../../http/tap-contract.ts";
import type { Mesh, MeshProxy } from "../../../model/mesh.ts";
import { outcomeOf } from "../../../telemetry/graph/outcome.ts";
import type { TapRecord } from "../../../telemetry/tap-record.ts";
import { endsOf, type TapEnds } from "./ends.ts";
import { tapRuleOf } from "./rule.ts";

export interface ToldEvent {
  readonly event: TapEvent;
  readonly ends: TapEnds;
  /** Equal in the records of both proxies of one try; undefined where there is no second one. */
  readonly pair: string | undefined;
  /** Equal in the records of all proxies and tries of one request. */
  readonly request: string | undefined;
}

/** The event that `sender` tells. */
export function tapEventOf(record: TapRecord, sender: MeshProxy, mesh: Mesh): ToldEvent {
  const ends = endsOf(record, sender, mesh);
  const rule = tapRuleOf(record, mesh.scopes.get(sender.id), mesh);
  const half = halfOf(record, sender);
  const { kind, protocol, method, authority, path, mirrored, requestId, traceparent, userAgent, sni } = record;
  const event: TapEvent = {
    kind,
    start: half.start,
    protocol,
    method,
    authority,
    path,
    source: ends.source,
    destination: ends.destination,
    ...(record.reporter === "source" ? { client: half } : { server: half }),
    ...(rule === undefined ? {} : { rule }),
    mirrored,
    failed: isFailed(record),
    requestId,
    traceparent,
    userAgent,
    sni,
  };
  return { event, ends, pair: pairOf(record, ends), request: requestOf(record, ends) };
}

function halfOf(record: TapRecord, sender: MeshProxy): TapHalf {
  const { startMs, durationMs, upstreamMs, code, flags, details, grpcStatus, transportFailure } = record;
  return {
    proxy: sender.id,
    start: new Date(startMs).toISOString(),
    durationMs,
    ...(upstreamMs === undefined ? {} : { upstreamMs }),
    code,
    flags,
    details,
    ...(grpcStatus === "" ? {} : { grpcStatus }),
    ...(transportFailure === "" ? {} : { transportFailure }),
    receivedBytes: record.receivedBytes,
    sentBytes: record.sentBytes,
    cluster: record.cluster,
    upstream: record.upstream,
    attempts: record.reporter === "source" ? record.attempts : record.attempt,
    attempted: record.attempted,
  };
}

/** Flags of connections that ended as they should not: no upstream, no route, refused, time-outs, reset by the server. */
const failedConnectionFlags = new Set(["UF", "UH", "NR", "URX", "UO", "UT", "UC", "UR", "NC", "DPE", "UPE"]);

function isFailed({ kind, code, grpcStatus, flags, transportFailure }: TapRecord): boolean {
  if (kind !== "request") return transportFailure !== "" || flags.some((flag) => failedConnectionFlags.has(flag));
  const labels = { response_code: String(code), grpc_response_status: grpcStatus, response_flags: flags.join(",") };
  return outcomeOf(labels) === "failed";
}

/** A copy is told by its server alone: the client's proxy tells of the original. A connection both ends know by the address that it comes from. */
function pairOf(record: TapRecord, { client, server }: TapEnds): string | undefined {
  const { kind, requestId, isCopy, reporter, attempts, attempt } = record;
  if (client === undefined || server === undefined || client === server) return undefined;
  const address = reporter === "source" ? record.from : record.client;
  if (kind !== "request") return address === "" ? undefined : `${client} ${server} ${kind} ${address}`;
  if (requestId === "" || isCopy) return undefined;
  return `${client} ${server} ${reporter === "source" ? Math.max(1, attempts) : attempt} ${withoutTraceReason(requestId)}`;
}

function requestOf({ kind, requestId, isCopy }: TapRecord, { client }: TapEnds): string | undefined {
  if (kind !== "request" || requestId === "" || isCopy || client === undefined) return undefined;
  return `${client} ${withoutTraceReason(requestId)}`;
}

/** Each Envoy on the way writes into one digit of a UUID why it traces the request, or not (UUIDRequestIDExtension, pack_trace_reason). */
function withoutTraceReason(requestId: string): string {
  return /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-/.test(requestId) ? `${requestId.slice(0, 14)}4${requestId.slice(15)}` : requestId;
}
