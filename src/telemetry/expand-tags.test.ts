// Composite tags to Istio's labels, with what clients and servers know, and with what strangers send.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CompositeTags, joinedTag, joinParts, joinTags, joinTarget, splitParts, tagsOf } from "./composite-tags.ts";
import { expandTags } from "./expand-tags.ts";
import {
  exportedName,
  type StandardMetricName,
  standardLabels,
  standardMetricOf,
  standardMetrics,
  type TrafficLabels,
} from "./standard-metrics.ts";

const client = "spiffe://cluster.local/ns/shop/sa/web";
const server = "spiffe://cluster.local/ns/shop/sa/orders";
const san = "v1.web-v1.shop.workload.lateen";

const fromClient: CompositeTags = {
  traffic: "source;http",
  source: "web-v1;shop;web;v1;Kubernetes",
  destination: "orders-v2;shop;orders;v2;Kubernetes",
  service: "orders.shop.svc.cluster.local;orders;shop;80",
  response: "200;-;-",
  security: `;${client};${server}`,
};
const fromServer: CompositeTags = { ...fromClient, traffic: "destination;http", source: san, security: `mutual_tls;${server};${client}` };

function expand(tags: CompositeTags, name: StandardMetricName = "istio_requests_total"): TrafficLabels {
  const metric = standardMetricOf(name);
  if (metric === undefined) throw new Error(`${name} isn't in the table`);
  const peerOf = (text: string) =>
    text === san ? { workload: "web-v1", namespace: "shop", version: "v1", canonicalName: "web" } : undefined;
  return expandTags(metric, tags, { peerOf });
}

/** The labels that istio/proxy's tests expect of a client with certificates. */
const expected = {
  reporter: "source",
  source_workload: "web-v1",
  source_canonical_service: "web",
  source_canonical_revision: "v1",
  source_workload_namespace: "shop",
  source_principal: client,
  source_app: "web",
  source_version: "v1",
  source_cluster: "Kubernetes",
  destination_workload: "orders-v2",
  destination_workload_namespace: "shop",
  destination_principal: server,
  destination_app: "orders",
  destination_version: "v2",
  destination_service: "orders.shop.svc.cluster.local",
  destination_canonical_service: "orders",
  destination_canonical_revision: "v2",
  destination_service_name: "orders",
  destination_service_namespace: "shop",
  destination_cluster: "Kubernetes",
  request_protocol: "http",
  response_code: "200",
  grpc_response_status: "",
  response_flags: "-",
  connection_security_policy: "unknown",
  destination_port: "80",
  mirrored: "",
};

test("a client's series bears all of Istio's labels, in Istio's order", () => {
  expect(expand(fromClient)).toEqual(expected);
  expect(Object.keys(expand(fromClient)).slice(0, standardLabels.length)).toEqual(standardLabels);
});

test("a server knows its caller by the certificate, but not its cluster", () => {
  const labels = { reporter: "destination", connection_security_policy: "mutual_tls", source_cluster: "unknown" };
  expect(expand(fromServer)).toEqual({ ...expected, ...labels });
});

describe("what isn't known is unknown", () => {
  test("everything", () => {
    const { grpc_response_status, response_flags, response_code, destination_port, mirrored, ...rest } = expand({});
    expect(new Set(Object.values(rest))).toEqual(new Set(["unknown"]));
    expect([grpc_response_status, response_flags, response_code, destination_port, mirrored]).toEqual(["", "-", "0", "", ""]);
  });

  test("the caller without certificate, whatever it calls itself", () => {
    const labels = expand({ ...fromServer, security: `none;${server};` });
    expect(labels).toMatchObject({
      source_workload: "unknown",
      source_workload_namespace: "unknown",
      source_principal: "unknown",
      destination_principal: "unknown",
      connection_security_policy: "none",
    });
  });

  test("a certificate of another CA tells its namespace only", () => {
    const labels = expand({ ...fromServer, source: "www.example.com" });
    expect(labels).toMatchObject({ source_workload: "unknown", source_workload_namespace: "shop", source_principal: client });
  });

  test("the version of pods without a version label, whose revision is latest", () => {
    const labels = expand({ ...fromClient, destination: "db;shop;db;latest;Kubernetes" });
    expect(labels).toMatchObject({ destination_version: "unknown", destination_canonical_revision: "latest", destination_app: "db" });
    const own = expand({ ...fromClient, destination: "db;shop;db;latest;Kubernetes;store;latest" });
    expect(own).toMatchObject({ destination_version: "latest", destination_app: "store", destination_canonical_service: "db" });
  });
});

test("a separator in what a peer sent moves nobody else's label", () => {
  const labels = expand({ ...fromServer, security: `mutual_tls;${server};spiffe://x/ns/a;b/sa/c;d` });
  expect(labels).toMatchObject({ destination_principal: server, source_principal: "spiffe://x/ns/a;b/sa/c;d" });
});

test("gRPC has its status; TCP has neither code nor status", () => {
  expect(expand({ ...fromClient, traffic: "source;grpc", response: "200;-;14" })).toMatchObject({ grpc_response_status: "14" });
  const tcp = expand({ ...fromClient, traffic: "source;tcp", response: "0;UF" }, "istio_tcp_sent_bytes_total");
  expect(tcp).toMatchObject({ response_code: "", grpc_response_status: "", response_flags: "UF", request_protocol: "tcp" });
});

test("what has a gRPC status is gRPC, and what was answered without one isn't", () => {
  const protocol = (traffic: string, response: string) => expand({ ...fromClient, traffic, response }).request_protocol;
  expect(protocol("source;http;1", "200;-;0")).toBe("grpc");
  expect(protocol("source;grpc", "200;-;-")).toBe("http");
  expect(protocol("source;grpc", "0;DC;-")).toBe("grpc");
  expect(protocol("source;http", "0;DC;-")).toBe("http");
});

test("copies are marked, and Prometheus sees them under other names", () => {
  const { mirrored } = expand({ ...fromClient, traffic: "source;http;1" });
  expect(mirrored).toBe("true");
  expect(exportedName("istio_requests_total", mirrored)).toBe("lateen_mirrored_requests_total");
  expect(standardMetrics.map(({ name }) => exportedName(name, ""))).toEqual(standardMetrics.map(({ name }) => name));
});

test("parts come back as they were, and are literals to Envoy", () => {
  const part = fc.string({ unit: fc.constantFrom(..."a~;%3b\n\u0085é💡\0-"), maxLength: 8 });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 7 }), (parts) => {
      const text = joinParts(parts);
      expect(text).not.toMatch(/%/);
      const last = parts.findLastIndex((value) => value !== "");
      expect(splitParts(text, parts.length + 1)).toEqual(last < 0 ? [""] : parts.slice(0, last + 1));
    }),
    { seed: 5, numRuns: 200 },
  );
});

test("the sender's own side is who the sender is, whatever its tags say", () => {
  const own = { workload: joinParts(["web-v1", "shop", "web", "v1", "Kubernetes"]), principal: client };
  const metric = standardMetricOf("istio_requests_total");
  if (metric === undefined) throw new Error("istio_requests_total isn't in the table");
  const sent: CompositeTags = { ...fromClient, source: "forged;shop;forged;v9;Kubernetes", security: `unknown;forged;${server}` };
  expect(expandTags(metric, sent, { peerOf: () => undefined, own })).toEqual(expected);
  const plaintext = expandTags(metric, { ...sent, security: "unknown" }, { peerOf: () => undefined, own });
  expect(plaintext).toMatchObject({ source_workload: "web-v1", source_principal: "unknown", destination_principal: "unknown" });
  const atServer = { workload: joinParts(["orders-v2", "shop", "orders", "v2", "Kubernetes"]), principal: server };
  const received: CompositeTags = { traffic: "destination;http", security: `mutual_tls;;${client}`, response: "200;-;-" };
  expect(expandTags(metric, received, { peerOf: () => undefined, own: atServer })).toMatchObject({
    destination_workload: "orders-v2",
    destination_version: "v2",
    destination_principal: server,
    source_principal: client,
  });
});

test("tags joined in one come apart again, whatever a peer's principal holds", () => {
  const text = fc.array(fc.string({ unit: "binary" }), { maxLength: 4 }).map(joinParts);
  const tags = fc.record({ traffic: text, source: text, destination: text, service: text, response: text, security: fc.string() });
  fc.assert(
    fc.property(tags, (all) => {
      const known = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
      expect(tagsOf({ [joinedTag]: joinTags(known) })).toEqual(known);
    }),
  );
  expect(tagsOf({ [joinedTag]: joinTags({ service: "a", security: "unknown;;spiffe://x~;~;y" }) })).toEqual({
    service: "a",
    security: "unknown;;spiffe://x~;~;y",
  });
});

test("an endpoint says service and workload in one text, whether tags are joined or apart; a cluster says the service alone", () => {
  const [service, workload] = [joinParts(["web.shop", "web", "shop", "80"]), joinParts(["web-v1", "shop", "web", "v1"])];
  const apart = { traffic: "source;http", service: joinTarget({ service, workload }), security: "unknown;;x~,y" };
  const expected = { traffic: "source;http", service, destination: workload, security: "unknown;;x~,y" };
  expect(tagsOf(apart)).toEqual(expected);
  expect(tagsOf({ [joinedTag]: joinTags(apart) })).toEqual(expected);
  expect(tagsOf({ [joinedTag]: joinTags({ service }) })).toEqual({ service });
});
