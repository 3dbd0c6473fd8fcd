// Ten thousand manifests mutated at random (fixed seed): whatever comes in, the answer is a value, never a throw or a hang.
import fc from "fast-check";
import { expect, test } from "vitest";
import { isJsonObject } from "./json.ts";
import { parseManifests, parseResource } from "./parse.ts";

const bases: readonly unknown[] = [
  {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "web", namespace: "shop", labels: { app: "web" } },
    spec: {
      hosts: ["web", "*.example.com"],
      gateways: ["mesh", "edge"],
      http: [
        {
          match: [{ uri: { regex: "/a.*" }, headers: { "x-user": { exact: "a" } }, method: { exact: "GET" }, port: 80 }],
          route: [{ destination: { host: "web", subset: "v1", port: { number: 80 } }, weight: 90 }],
          timeout: "1s",
          retries: { attempts: 2, perTryTimeout: "250ms", retryOn: "5xx" },
          fault: { delay: { fixedDelay: "1s", percentage: { value: 10 } }, abort: { httpStatus: 500 } },
          headers: { request: { set: { a: "b" } } },
          mirrors: [{ destination: { host: "web" }, percentage: { value: 1 } }],
        },
        { redirect: { uri: "/b", redirectCode: 302 } },
      ],
      tls: [{ match: [{ sniHosts: ["web"] }], route: [{ destination: { host: "web" } }] }],
      tcp: [{ match: [{ port: 1, destinationSubnets: ["10.0.0.0/8"] }], route: [{ destination: { host: "web" } }] }],
    },
  },
  {
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    metadata: { name: "web" },
    spec: {
      host: "web",
      subsets: [{ name: "v1", labels: { version: "v1" } }],
      trafficPolicy: {
        loadBalancer: { consistentHash: { httpCookie: { name: "c", ttl: "0s" }, maglev: { tableSize: 65537 } } },
        connectionPool: { tcp: { maxConnections: 1, connectTimeout: "1s" }, http: { http2MaxRequests: 1 } },
        outlierDetection: { interval: "1s", maxEjectionPercent: 10 },
      },
    },
  },
  {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name: "api" },
    spec: {
      hosts: ["api.example"],
      addresses: ["10.0.0.1"],
      ports: [{ number: 443, name: "tls", protocol: "TLS" }],
      resolution: "STATIC",
      endpoints: [{ address: "10.0.0.2", ports: { tls: 8443 } }],
    },
  },
  {
    apiVersion: "networking.istio.io/v1",
    kind: "Gateway",
    metadata: { name: "edge" },
    spec: {
      selector: { istio: "ingressgateway" },
      servers: [{ port: { number: 443, name: "tls", protocol: "HTTPS" }, hosts: ["*"], tls: { mode: "SIMPLE", credentialName: "c" } }],
    },
  },
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "web" }, matchExpressions: [{ key: "a", operator: "Exists" }] },
      strategy: { rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } },
      template: {
        metadata: { labels: { app: "web", a: "b" } },
        spec: {
          containers: [
            {
              name: "main",
              image: "web",
              ports: [{ containerPort: 80, name: "http" }],
              env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "c", key: "k" } } }],
              readinessProbe: { httpGet: { port: "http" } },
            },
          ],
          volumes: [{ name: "v", emptyDir: {} }],
        },
      },
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web" },
    spec: {
      selector: { app: "web" },
      ports: [
        { name: "http", port: 80 },
        { name: "b", port: 81, targetPort: "x" },
      ],
    },
  },
  { apiVersion: "v1", kind: "List", items: [{ apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, data: { a: "YQ==" } }] },
];

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    -1,
    0,
    1.5,
    2 ** 53,
    99_999,
    "",
    "*",
    "*.",
    "a.b",
    "..",
    "/",
    "%",
    "(",
    "[a-z]+",
    "-5s",
    "1h",
    "0",
    "::1",
    "10.0.0.0/33",
    true,
    [],
    {},
    [null],
    [[]],
    { "": 1 },
    "\u0000",
    "é",
    "x".repeat(300),
  ),
  fc.string(),
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(JSON.parse('{"__proto__": {"polluted": true}}'), { constructor: 1 }),
);

interface Mutation {
  readonly at: number;
  readonly value: unknown;
  readonly how: "replace" | "remove" | "rename" | "duplicate";
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(200),
  value: odd,
  how: fc.constantFrom("replace", "remove", "rename", "duplicate"),
});

/** Changes the n-th place of a tree, counted in document order. */
function mutated(root: unknown, { at, value, how }: Mutation): unknown {
  let left = at;
  const visit = (node: unknown): unknown => {
    left -= 1;
    if (left === -1 && how === "replace") return value;
    if (Array.isArray(node)) return how === "duplicate" && left === -1 ? [...node, ...node] : node.map(visit);
    if (!isJsonObject(node)) return node;
    const hit = left === -1;
    const entries = Object.entries(node);
    const kept = hit && how === "remove" ? entries.slice(1) : entries;
    return Object.fromEntries(kept.map(([key, child], index) => [hit && how === "rename" && index === 0 ? `${key}x` : key, visit(child)]));
  };
  return visit(root);
}

const manifest = fc
  .tuple(fc.constantFrom(...bases), fc.array(mutation, { minLength: 1, maxLength: 4 }))
  .map(([base, mutations]) => mutations.reduce(mutated, base));

test("objects", () => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(manifest, (object) => {
      const { resource, diagnostics } = parseResource(object);
      if (resource === undefined) refused += 1;
      else accepted += 1;
      expect(resource !== undefined || diagnostics.some(({ severity }) => severity === "error")).toBe(true);
      for (const { code, message, fix } of diagnostics) expect([code, message, fix].every((text) => text !== "")).toBe(true);
    }),
    { numRuns: 7000, seed: 20260101 },
  );
  expect(Math.min(accepted, refused)).toBeGreaterThan(300);
  expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
});

test("texts", () => {
  const text = fc.tuple(
    manifest,
    fc.nat(),
    fc.oneof(fc.constantFrom("\n", "---\n", "  ", ": ", "- ", "{", "]", "&a ", "*a", "!!x ", "|\n", '"', "\t", "\0"), fc.string()),
  );
  fc.assert(
    fc.property(text, ([object, at, insert]) => {
      const yaml = JSON.stringify(object, null, 1);
      const place = at % (yaml.length + 1);
      const { resources, diagnostics } = parseManifests(yaml.slice(0, place) + insert + yaml.slice(place), { file: "fuzz.yaml" });
      expect(Array.isArray(resources)).toBe(true);
      for (const { position } of diagnostics) expect(position?.line).toBeGreaterThan(0);
    }),
    { numRuns: 3000, seed: 20260102 },
  );
});
