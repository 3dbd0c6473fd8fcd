import { expect, test } from "vitest";
import { stringify } from "yaml";
import { parseManifests } from "../../api/parse.ts";
import { blockedOf, openingEntries, refusedIn } from "./blocked.ts";

const http = (authority: string, route = "block_all") =>
  `[2030-01-01T00:00:00.000Z] "GET /a HTTP/1.1" 502 - direct_response - "-" 0 120 0 - "-" "curl "x" /8" "id" "${authority}" "-" - - 203.0.113.9:8080 10.0.0.1:40000 - ${route} -`;
const tcp = (serverName: string, details = "- -") =>
  `[2030-01-01T00:00:00.000Z] "- - -" 0 UH ${details} "-" 0 0 0 - "-" "-" "-" "-" "-" BlackHoleCluster - 203.0.113.9:8443 10.0.0.1:40000 ${serverName} - -`;

/** The same in JSON, as Envoy writes it: null for what isn't there. */
const json = (more: object) =>
  JSON.stringify({
    start_time: "2030-01-01T00:00:00.000Z",
    method: null,
    authority: null,
    upstream_cluster: "BlackHoleCluster",
    downstream_local_address: "203.0.113.9:8443",
    requested_server_name: null,
    route_name: null,
    response_code: 0,
    response_code_details: null,
    connection_termination_details: null,
    mirrored: null,
    ...more,
  });

test.each([
  [http("API.example:8080"), { protocol: "HTTP", host: "api.example", address: "203.0.113.9", port: 8080 }],
  [http("web", "default"), "other"],
  [tcp("db.example"), { protocol: "TLS", host: "db.example", address: "203.0.113.9", port: 8443 }],
  [tcp("-"), { protocol: "TCP", host: "203.0.113.9", address: "203.0.113.9", port: 8443 }],
  // Istio's own format ends with the route.
  [tcp("-").replace(/ -$/, ""), { protocol: "TCP", host: "203.0.113.9", address: "203.0.113.9", port: 8443 }],
  [tcp("-", "- rbac_access_denied_matched_policy[PeerAuthentication-STRICT]"), "other"],
  ["[2030-01-01T00:00:00.000Z][warning] something went wrong", undefined],
  // With the mark of a copy.
  [`${tcp("-")} -`, { protocol: "TCP", host: "203.0.113.9", address: "203.0.113.9", port: 8443 }],
  [
    json({
      method: "GET",
      authority: "API.example:8080",
      upstream_cluster: null,
      route_name: "block_all",
      response_code_details: "direct_response",
    }),
    { protocol: "HTTP", host: "api.example", address: "203.0.113.9", port: 8443 },
  ],
  [json({ method: "GET", authority: "web", route_name: "default" }), "other"],
  [json({ requested_server_name: "db.example" }), { protocol: "TLS", host: "db.example", address: "203.0.113.9", port: 8443 }],
  [json({}), { protocol: "TCP", host: "203.0.113.9", address: "203.0.113.9", port: 8443 }],
  [json({ connection_termination_details: "rbac_access_denied_matched_policy[PeerAuthentication-STRICT]" }), "other"],
  ['{"custom": "format"}', undefined],
])("a line of the access log: %#", (line, expected) => {
  expect(refusedIn(line)).toEqual(expected);
});

const entry = (more: object = {}) => ({
  namespace: "shop",
  workload: "web",
  protocol: "HTTP" as const,
  host: "api.example",
  address: "203.0.113.9",
  port: 80,
  time: "2030-01-01T00:00:00Z",
  ...more,
});

test("rows count what is alike, the newest first", () => {
  const rows = blockedOf([entry(), entry({ time: "2030-01-01T00:00:05Z" }), entry({ port: 81, time: "2030-01-01T00:00:09Z" })]);
  expect(rows.map(({ port, count, last }) => [port, count, last])).toEqual([
    [81, 1, "2030-01-01T00:00:09Z"],
    [80, 2, "2030-01-01T00:00:05Z"],
  ]);
});

test("the ServiceEntries are valid, one for each host and namespace", () => {
  const rows = blockedOf([
    entry(),
    entry({ protocol: "TLS", port: 443 }),
    entry({ namespace: "other" }),
    entry({ protocol: "TCP", host: "203.0.113.9", port: 5432 }),
    entry({ host: "203.0.113.9", port: 8080 }),
  ]);
  const entries = openingEntries(rows);
  const { resources, diagnostics } = parseManifests(entries.map((value) => stringify(value)).join("---\n"), { file: "entries.yaml" });
  expect(diagnostics).toEqual([]);
  expect(resources.map(({ value }) => `${value.metadata.namespace}/${value.metadata.name}`)).toEqual([
    "other/api-example",
    "shop/address-203-0-113-9",
    "shop/api-example",
  ]);
  expect(entries[2]).toMatchObject({
    spec: {
      hosts: ["api.example"],
      resolution: "DNS",
      ports: [
        { number: 80, name: "http-80", protocol: "HTTP" },
        { number: 443, name: "tls-443", protocol: "TLS" },
      ],
      exportTo: ["."],
    },
  });
});
