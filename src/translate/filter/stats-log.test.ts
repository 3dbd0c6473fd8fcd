// Which loggers count at which place, and by which tags. What a real Envoy makes of them: test/slow/telemetry-metrics.test.ts.

import { describe, expect, it } from "vitest";
import { AccessLogSchema } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import { encodeJson } from "../../envoy/codec.ts";
import { defaultMeshSettings } from "../../model/mesh.ts";
import { messageCountsOf } from "../../telemetry/message-log.ts";
import { parseOtlpLogs } from "../../telemetry/otlp-logs.ts";
import type { HttpPlace } from "./http-connection-manager.ts";
import { connectionStatsLogs, requestStatsLogs, toldStatsLogs, tryStatsLogs } from "./stats-log.ts";
import { tagFormats } from "./stats-tags.ts";

const place: HttpPlace = { direction: "outbound", statPrefix: "test", routes: "80", settings: defaultMeshSettings };
const service = "web.shop.svc.cluster.local;web;shop;80";

/** Values of the tag `traffic`, which comes first where all are joined, one per logger that counts. */
function traffic(logs: readonly object[]): readonly string[] {
  return logs.flatMap(
    (log) => /"(?:traffic|tags)","value(?:Format":|":\{"stringValue":)"([^"]*?)(?:~;.*?)?"/.exec(JSON.stringify(log))?.[1] ?? [],
  );
}

describe("loggers", () => {
  it("of sidecars' outbound side count copies apart; calls of many messages are logged besides", () => {
    const logs = requestStatsLogs(place);
    expect(traffic(logs)).toEqual(["source;http", "source;http", "source;grpc", "source;grpc", "source;http;1"]);
  });

  it("of strangers know no copies", () => {
    expect(traffic(requestStatsLogs({ ...place, direction: "gateway" }))).toEqual([
      "source;http",
      "source;http",
      "source;grpc",
      "source;grpc",
    ]);
    const plain = requestStatsLogs({ ...place, direction: "inbound", service });
    expect(traffic(plain)).toEqual(["destination;http", "destination;http", "destination;grpc", "destination;grpc"]);
    expect(traffic(requestStatsLogs({ ...place, direction: "inbound", service, isMutual: true }))).toHaveLength(5);
  });

  it("join the tags in one, made once per metric, and leave the number of requests to the durations'", () => {
    const [http, bodies] = requestStatsLogs({ ...place, direction: "inbound", service, isMutual: true }).map((log) => JSON.stringify(log));
    const joined = `destination;http~;${service}~;%RESPONSE_CODE%;%RESPONSE_FLAGS%~;~;%DOWNSTREAM_PEER_DNS_SAN%~;mutual_tls;;%DOWNSTREAM_PEER_URI_SAN%`;
    const tags = `"tags":[{"name":"tags","valueFormat":"${joined}"}]`;
    expect([http?.split(tags).length, bodies?.split(tags).length]).toEqual([3, 2]);
    expect(`${http} ${bodies}`).not.toContain('"counters"');
  });

  it("record the bytes of requests that may have a body, and ask that first; of gRPC calls and copies those of all", () => {
    const sizing = requestStatsLogs(place).filter((log) => JSON.stringify(log).includes("istio_request_bytes"));
    const asked = sizing.map(({ filter }) => JSON.stringify(filter?.andFilter?.filters?.[0] ?? filter));
    expect(asked.map((filter) => filter.includes('":method"'))).toEqual([true, false, false]);
    expect(asked.map((filter) => filter.includes('"application/grpc"'))).toEqual([false, true, false]);
  });

  it("of what servers are told are silent without their runtime key; those of tries count where they are", () => {
    for (const log of toldStatsLogs()) {
      expect(JSON.stringify(log)).toContain('"runtimeKey":"lateen.tries","percentSampled":{"numerator":0');
    }
    for (const log of tryStatsLogs()) expect(JSON.stringify(log)).not.toContain("runtime");
  });

  it("of tries alone know templates: Istio's series are split by none", () => {
    const [tries, copies, ...others] = tryStatsLogs();
    for (const log of [tries, copies]) expect(JSON.stringify(log).match(/"template"/g)).toHaveLength(2);
    const standard = [...requestStatsLogs(place), ...requestStatsLogs({ ...place, direction: "inbound", service, isMutual: true })];
    for (const log of [...standard, ...others]) expect(JSON.stringify(log)).not.toContain("template");
  });

  it("name no proxy, so that listeners can be shared; and are messages of Envoy", () => {
    const settings = defaultMeshSettings;
    const logs = [
      ...requestStatsLogs(place),
      ...tryStatsLogs(),
      ...toldStatsLogs(),
      ...connectionStatsLogs({ cluster: "db", settings }),
      ...connectionStatsLogs({ cluster: "db", settings, inbound: { service, isMutual: true } }),
    ];
    for (const log of logs) expect(encodeJson(AccessLogSchema, log).length).toBeGreaterThan(0);
    expect(traffic(logs).slice(-2)).toEqual(["source;tcp", "destination;tcp"]);
  });
});

describe("tags", () => {
  it("at a server without the client's certificate say nothing of the client", () => {
    const tags = tagFormats({ reporter: "destination", service, isMutual: false }, { protocol: "http", mirrored: false });
    expect(tags).toEqual({ traffic: "destination;http", service, response: "%RESPONSE_CODE%;%RESPONSE_FLAGS%", security: "none" });
  });

  it("hold no header of a request", () => {
    const sides = [{ reporter: "source" }, { reporter: "destination", service, isMutual: true }] as const;
    const texts = sides.map((side) => JSON.stringify(tagFormats(side, { protocol: "grpc", mirrored: true })));
    for (const text of texts) expect(text).not.toMatch(/%(?:REQ|RESP|REQUESTED_SERVER_NAME|PATH|QUERY_PARAMS?)\b/);
  });
});

describe("records of gRPC messages", () => {
  const record = { timeMs: 1, body: "", traceId: "", spanId: "" };
  const values = (messages: string) =>
    messageCountsOf([{ ...record, attributes: { messages, traffic: "source;grpc" } }]).map(({ name, value }) => [name, value]);

  it("add both directions", () => {
    expect(values("12,3")).toEqual([
      ["istio_request_messages_total", 12],
      ["istio_response_messages_total", 3],
    ]);
    expect(values("0,7")).toEqual([["istio_response_messages_total", 7]]);
  });

  it.each(["", "-", "1", "1,2,3", "-1,2", "1e3,1", "9999999999999999,1"])("%j adds nothing", (text) => {
    expect(values(text)).toEqual([]);
  });

  it("are read from what isn't one without harm", () => {
    expect(parseOtlpLogs(new Uint8Array())).toEqual([]);
    expect(messageCountsOf([{ ...record, attributes: { messages: "2,2", service: "x".repeat(10_000) } }])).toEqual([]);
  });
});
