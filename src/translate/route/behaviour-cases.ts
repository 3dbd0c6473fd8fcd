// What every field of a VirtualService's http route must do on a real Envoy: one table, run by behaviour.test.ts.
// A host per case; destinations "a", "b", "c" are services of namespace default, "dead" refuses connections.

export interface Expectation {
  /** Default 200. */
  readonly status?: number;
  /** "a", "a/v1" (a subset) or "a:8080"; null: no upstream may see the request. */
  readonly to?: string | null;
  /** The path the upstream sees. */
  readonly path?: string;
  /** Headers the upstream sees; null: absent. */
  readonly seen?: Readonly<Record<string, string | null>>;
  /** Headers of the response; null: absent. */
  readonly got?: Readonly<Record<string, string | null>>;
  readonly body?: string;
  /** How many requests arrive at the upstreams, mirrors included. */
  readonly arrivals?: number;
  /** No answer before. */
  readonly atLeastMs?: number;
  /** Clusters that see a copy. */
  readonly mirroredTo?: readonly string[];
}

export interface Step extends Expectation {
  readonly ask?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Overrides the case's host. */
  readonly host?: string;
}

export interface Case {
  readonly name: string;
  /** spec.http of the VirtualService. */
  readonly http: readonly object[];
  readonly steps: readonly Step[];
}

const to = (host: string, more: object = {}): object => ({ route: [{ destination: { host } }], ...more });
const matching = (match: object | readonly object[], more: object = {}): object[] => [
  to("a", { match: Array.isArray(match) ? match : [match], ...more }),
  to("b"),
];

const matchCases: readonly Case[] = [
  {
    name: "uri-exact",
    http: matching({ uri: { exact: "/x" } }),
    steps: [
      { ask: "/x", to: "a" },
      { ask: "/x?q=1", to: "a" },
      { ask: "/x/", to: "b" },
      { ask: "/X", to: "b" },
    ],
  },
  {
    name: "uri-prefix",
    http: matching({ uri: { prefix: "/x" } }),
    steps: [
      { ask: "/x", to: "a" },
      { ask: "/xyz", to: "a" },
      { ask: "/x/y?z", to: "a" },
      { ask: "/y", to: "b" },
    ],
  },
  {
    name: "uri-regex",
    http: matching({ uri: { regex: "/v[0-9]+/.*" } }),
    steps: [
      { ask: "/v1/x", to: "a" },
      { ask: "/v12/", to: "a" },
      { ask: "/p/v1/x", to: "b" },
      { ask: "/v1", to: "b" },
    ],
  },
  {
    name: "uri-long-regex",
    http: matching({ uri: { regex: "/(alpha|beta|gamma)/[a-z]{1,60}/[0-9]{1,60}/(x|y|z){1,20}" } }),
    steps: [
      { ask: "/beta/abc/123/xyz", to: "a" },
      { ask: "/beta/abc/x/xyz", to: "b" },
    ],
  },
  {
    name: "ignore-uri-case",
    http: [
      to("a", {
        match: [
          { uri: { exact: "/Foo" }, ignoreUriCase: true },
          { uri: { prefix: "/BAR" }, ignoreUriCase: true },
        ],
      }),
      to("b"),
    ],
    steps: [
      { ask: "/fOO", to: "a" },
      { ask: "/bar/x", to: "a" },
      { ask: "/foo/", to: "b" },
    ],
  },
  {
    name: "ignore-uri-case-not-for-regex",
    http: matching({ uri: { regex: "/foo" }, ignoreUriCase: true }),
    steps: [
      { ask: "/foo", to: "a" },
      { ask: "/FOO", to: "b" },
    ],
  },
  {
    name: "method",
    http: matching({ method: { exact: "POST" } }),
    steps: [{ method: "POST", to: "a" }, { to: "b" }],
  },
  {
    name: "method-regex",
    http: matching({ method: { regex: "PUT|DELETE" } }),
    steps: [
      { method: "PUT", to: "a" },
      { method: "POST", to: "b" },
    ],
  },
  {
    name: "scheme",
    http: [to("c", { match: [{ scheme: { exact: "https" } }] }), to("a", { match: [{ scheme: { prefix: "http" } }] }), to("b")],
    steps: [{ to: "a" }],
  },
  {
    name: "authority",
    http: matching({ authority: { prefix: "authority.test:81" } }),
    steps: [{ host: "authority.test:8123", to: "a" }, { to: "b" }],
  },
  {
    name: "header-exact",
    http: matching({ headers: { "x-user": { exact: "anna" } } }),
    steps: [{ headers: { "x-user": "anna" }, to: "a" }, { headers: { "x-user": "Anna" }, to: "b" }, { to: "b" }],
  },
  {
    name: "header-prefix-and-regex",
    http: matching({ headers: { "X-User": { prefix: "an" }, "x-age": { regex: "[0-9]+" } } }),
    steps: [
      { headers: { "x-user": "anna", "x-age": "12" }, to: "a" },
      { headers: { "x-user": "anna", "x-age": "12a" }, to: "b" },
      { headers: { "x-age": "12" }, to: "b" },
    ],
  },
  {
    name: "header-presence",
    http: matching({ headers: { "x-tester": {}, "x-star": { regex: "*" } } }),
    steps: [
      { headers: { "x-tester": "", "x-star": "y" }, to: "a" },
      { headers: { "x-tester": "1" }, to: "b" },
    ],
  },
  {
    name: "pseudo-header",
    http: matching({ headers: { ":method": { exact: "PUT" }, ":path": { prefix: "/x?" } } }),
    steps: [
      { method: "PUT", ask: "/x?1", to: "a" },
      { method: "PUT", ask: "/x", to: "b" },
    ],
  },
  {
    name: "without-headers",
    http: matching({ withoutHeaders: { "x-bot": { exact: "yes" }, "x-no": {} } }),
    steps: [
      { to: "a" },
      { headers: { "x-bot": "no" }, to: "a" },
      { headers: { "x-bot": "yes" }, to: "b" },
      { headers: { "x-no": "1" }, to: "b" },
    ],
  },
  {
    name: "query-params",
    http: matching({ queryParams: { v: { exact: "2" }, r: { regex: "a+" }, p: { prefix: "x" }, there: {} } }),
    steps: [
      { ask: "/?v=2&r=aa&p=xy&there", to: "a" },
      { ask: "/?v=2&v=3&r=aa&p=xy&there=1", to: "a" },
      { ask: "/?v=3&v=2&r=aa&p=xy&there=1", to: "b" },
      { ask: "/?v=2&r=aab&p=xy&there", to: "b" },
      { ask: "/?v=2&r=aa&p=xy", to: "b" },
    ],
  },
  {
    name: "query-params-percent",
    http: matching({ queryParams: { q: { exact: "a%20b" } } }),
    steps: [
      { ask: "/?q=a%20b", to: "a" },
      { ask: "/?q=a+b", to: "b" },
    ],
  },
  {
    name: "blocks-are-alternatives",
    http: matching([{ uri: { exact: "/1" } }, { uri: { exact: "/2" }, headers: { h: { exact: "1" } } }]),
    steps: [
      { ask: "/1", to: "a" },
      { ask: "/2", headers: { h: "1" }, to: "a" },
      { ask: "/2", to: "b" },
    ],
  },
  {
    name: "first-match-wins",
    http: [to("a", { match: [{ uri: { prefix: "/" } }] }), to("b", { match: [{ uri: { exact: "/b" } }] })],
    steps: [{ ask: "/b", to: "a" }],
  },
  {
    name: "match-port",
    http: [to("c", { match: [{ port: 8080 }] }), to("a", { match: [{ port: 80 }] })],
    steps: [{ to: "a" }],
  },
  {
    name: "source-conditions",
    http: [
      to("c", { match: [{ sourceLabels: { app: "other" } }] }),
      to("c", { match: [{ sourceNamespace: "other" }] }),
      to("c", { match: [{ gateways: ["istio-system/public"] }] }),
      to("a", { match: [{ sourceLabels: { app: "tester" }, sourceNamespace: "default" }] }),
    ],
    steps: [{ to: "a" }],
  },
  {
    name: "no-route-is-404",
    http: [to("a", { match: [{ uri: { exact: "/only" } }] })],
    steps: [
      { ask: "/only", to: "a" },
      { ask: "/other", status: 404, to: null },
    ],
  },
  { name: "stat-prefix-and-names", http: matching({ name: "m", statPrefix: "shop" }, { name: "r" }), steps: [{ to: "a" }] },
];

const changeCases: readonly Case[] = [
  {
    name: "rewrite-prefix",
    http: [to("a", { match: [{ uri: { prefix: "/old/" } }, { uri: { prefix: "/old" } }], rewrite: { uri: "/" } })],
    steps: [
      { ask: "/old/x?q=1", to: "a", path: "/x?q=1", seen: { "x-envoy-original-path": "/old/x?q=1" } },
      { ask: "/old", to: "a", path: "/" },
      { ask: "/older", to: "a", path: "/er" },
    ],
  },
  {
    name: "rewrite-prefix-plain",
    http: [to("a", { match: [{ uri: { prefix: "/old" } }], rewrite: { uri: "/" } })],
    steps: [
      { ask: "/old/x", to: "a", path: "//x" },
      { ask: "/old", to: "a", path: "/" },
    ],
  },
  {
    name: "rewrite-root",
    http: [to("a", { match: [{ uri: { prefix: "/" } }], rewrite: { uri: "/new/" } })],
    steps: [{ ask: "/x", to: "a", path: "/new/x" }],
  },
  {
    name: "rewrite-exact-and-case",
    http: [
      to("a", { match: [{ uri: { exact: "/one" } }], rewrite: { uri: "/two" } }),
      to("a", { match: [{ uri: { prefix: "/OLD" }, ignoreUriCase: true }], rewrite: { uri: "/new" } }),
      to("a", { match: [{ uri: { regex: "/r.*" } }], rewrite: { uri: "/regex" } }),
    ],
    steps: [
      { ask: "/one?x", to: "a", path: "/two?x" },
      { ask: "/old/y", to: "a", path: "/new/y" },
      { ask: "/rrr/s?z", to: "a", path: "/regex?z" },
    ],
  },
  {
    name: "rewrite-regex",
    http: [to("a", { rewrite: { uriRegexRewrite: { match: "^/service/([^/]+)(/.*)$", rewrite: "\\2/instance/\\1" } } })],
    steps: [
      { ask: "/service/foo/v1/api?q=1", to: "a", path: "/v1/api/instance/foo?q=1" },
      { ask: "/else", to: "a", path: "/else" },
    ],
  },
  {
    name: "rewrite-authority",
    http: [to("a", { rewrite: { authority: "inner.example" } })],
    steps: [{ to: "a", seen: { host: "inner.example" } }],
  },
  {
    name: "host-by-header",
    http: [to("a", { headers: { request: { set: { Host: "by-header.example" } } } })],
    steps: [{ to: "a", seen: { host: "by-header.example" } }],
  },
  {
    name: "host-of-destination",
    http: [{ route: [{ destination: { host: "a" }, headers: { request: { set: { ":authority": "dest.example" } } } }] }],
    steps: [{ to: "a", seen: { host: "dest.example" } }],
  },
  {
    name: "host-of-weighted-destination",
    http: [
      {
        route: [
          { destination: { host: "a" }, weight: 1, headers: { request: { set: { host: "weighted.example" } } } },
          { destination: { host: "b" }, weight: 0 },
        ],
      },
    ],
    steps: [{ to: "a", seen: { host: "weighted.example" } }],
  },
  {
    name: "headers",
    http: [
      to("a", {
        headers: {
          request: { set: { "x-set": "new" }, add: { "x-add": "more" }, remove: ["x-remove"] },
          response: { set: { "x-from": "envoy" }, add: { "x-extra": "1" }, remove: ["content-type"] },
        },
      }),
    ],
    steps: [
      {
        headers: { "x-set": "old", "x-add": "first", "x-remove": "1" },
        to: "a",
        seen: { "x-set": "new", "x-add": "first, more", "x-remove": null },
        got: { "x-from": "envoy", "x-extra": "1", "content-type": null },
      },
    ],
  },
  {
    name: "headers-of-destinations",
    http: [
      {
        headers: { request: { add: { "x-add": "route" } } },
        route: [
          {
            destination: { host: "a" },
            weight: 10,
            headers: { request: { add: { "x-add": "destination" } }, response: { set: { "x-v": "a" }, remove: ["x-from"] } },
          },
          { destination: { host: "b" }, weight: 0 },
        ],
      },
    ],
    steps: [{ to: "a", seen: { "x-add": "destination, route" }, got: { "x-v": "a", "x-from": null } }],
  },
  {
    name: "attempt-count-and-subset",
    http: [{ route: [{ destination: { host: "a", subset: "v1", port: { number: 8080 } } }] }],
    steps: [{ to: "a:8080/v1", seen: { "x-envoy-attempt-count": "1" } }],
  },
  {
    name: "redirect",
    http: [
      { match: [{ uri: { exact: "/plain" } }], redirect: { uri: "/new" } },
      { match: [{ uri: { exact: "/host" } }], redirect: { authority: "other.example", redirectCode: 308 } },
      { match: [{ uri: { exact: "/scheme" } }], redirect: { scheme: "https", redirectCode: 302 } },
      { match: [{ uri: { exact: "/port" } }], redirect: { port: 8443, redirectCode: 303 } },
      { match: [{ uri: { exact: "/own-port" } }], redirect: { authority: "o.example", port: 80, redirectCode: 307 } },
      { match: [{ uri: { exact: "/derived" } }], redirect: { scheme: "https", derivePort: "FROM_REQUEST_PORT" } },
      { match: [{ uri: { exact: "/default" } }], redirect: { scheme: "https", derivePort: "FROM_PROTOCOL_DEFAULT" } },
    ],
    steps: [
      { ask: "/plain?q=1", status: 301, to: null, got: { location: "http://redirect.test/new?q=1" } },
      { ask: "/host?q", status: 308, to: null, got: { location: "http://other.example/host?q" } },
      { ask: "/scheme", status: 302, to: null, got: { location: "https://redirect.test/scheme" } },
      { ask: "/port", status: 303, to: null, got: { location: "http://redirect.test:8443/port" } },
      { ask: "/own-port", status: 307, to: null, got: { location: "http://o.example/own-port" } },
      { ask: "/derived", status: 301, to: null, got: { location: "https://redirect.test:80/derived" } },
      { ask: "/default", host: "redirect.test:80", status: 301, to: null, got: { location: "https://redirect.test/default" } },
    ],
  },
  {
    name: "direct-response",
    http: [
      { match: [{ uri: { exact: "/text" } }], directResponse: { status: 503, body: { string: "closed" } } },
      { match: [{ uri: { exact: "/bytes" } }], directResponse: { status: 200, body: { bytes: "aMOp" } } },
      { match: [{ uri: { exact: "/large" } }], directResponse: { status: 200, body: { string: "x".repeat(100_000) } } },
      { directResponse: { status: 204 }, headers: { response: { set: { "x-why": "none" } } } },
    ],
    steps: [
      { ask: "/text", status: 503, to: null, body: "closed" },
      { ask: "/bytes", to: null, body: "hé" },
      { ask: "/large", to: null, body: "x".repeat(100_000) },
      { status: 204, to: null, body: "", got: { "x-why": "none" } },
    ],
  },
];

const failureCases: readonly Case[] = [
  {
    name: "timeout",
    http: [to("a", { timeout: "0.1s", retries: { attempts: 0 } })],
    steps: [
      { headers: { "x-test-delay-ms": "3000" }, status: 504, atLeastMs: 100 },
      { headers: { "x-test-delay-ms": "1" }, to: "a" },
      {
        method: "POST",
        headers: { "content-type": "application/grpc", te: "trailers", "x-test-delay-ms": "3000" },
        to: null,
        got: { "grpc-status": "14" },
      },
    ],
  },
  {
    name: "grpc-deadline",
    http: [to("a")],
    steps: [
      {
        method: "POST",
        headers: { "content-type": "application/grpc", te: "trailers", "grpc-timeout": "100m", "x-test-delay-ms": "3000" },
        to: null,
        got: { "grpc-status": "4" },
      },
    ],
  },
  {
    name: "default-retries",
    http: [to("a")],
    steps: [
      // 503 is not retried by default: the request may have had effects.
      { headers: { "x-test-fail": "503x1" }, status: 503, to: "a", arrivals: 1 },
      { headers: { "x-test-fail": "500x1" }, status: 500, to: "a", arrivals: 1 },
    ],
  },
  {
    name: "retries",
    http: [to("a", { retries: { attempts: 3, retryOn: "5xx", backoff: "1ms" } })],
    steps: [
      { headers: { "x-test-fail": "500x2" }, to: "a", arrivals: 3, seen: { "x-envoy-attempt-count": "3" } },
      { headers: { "x-test-fail": "503x9" }, status: 503, to: "a", arrivals: 4 },
      { headers: { "x-test-fail": "404x1" }, status: 404, to: "a", arrivals: 1 },
    ],
  },
  {
    name: "retry-status-codes",
    http: [to("a", { retries: { attempts: 2, retryOn: "404, 429,reset", backoff: "2ms", retryRemoteLocalities: true } })],
    steps: [
      { headers: { "x-test-fail": "404x1" }, to: "a", arrivals: 2 },
      { headers: { "x-test-fail": "429x2" }, to: "a", arrivals: 3 },
      { headers: { "x-test-fail": "500x1" }, status: 500, to: "a", arrivals: 1 },
    ],
  },
  {
    name: "retries-off",
    http: [to("a", { retries: { attempts: 0 } })],
    steps: [{ headers: { "x-test-fail": "503x1" }, status: 503, to: "a", arrivals: 1 }],
  },
  {
    name: "per-try-timeout",
    http: [to("a", { retries: { attempts: 2, perTryTimeout: "0.1s", retryOn: "5xx", retryIgnorePreviousHosts: false, backoff: "1ms" } })],
    steps: [{ headers: { "x-test-delay-ms": "3000" }, status: 504, atLeastMs: 300, arrivals: 3 }],
  },
  {
    name: "connect-failure",
    http: [to("dead")],
    steps: [{ status: 503, to: null }],
  },
  {
    name: "fault-delay",
    http: [to("a", { fault: { delay: { fixedDelay: "0.2s", percentage: { value: 100 } } } })],
    steps: [{ to: "a", atLeastMs: 200 }],
  },
  {
    name: "fault-abort",
    http: [to("a", { fault: { abort: { httpStatus: 418, percentage: { value: 100 } } } })],
    steps: [{ status: 418, to: null }],
  },
  {
    name: "fault-abort-grpc",
    http: [to("a", { fault: { abort: { grpcStatus: "UNAVAILABLE", percentage: { value: 100 } } } })],
    steps: [
      {
        method: "POST",
        ask: "/shop.Cart/Get",
        headers: { "content-type": "application/grpc", te: "trailers" },
        to: null,
        got: { "grpc-status": "14" },
      },
    ],
  },
  {
    name: "fault-without-percentage",
    http: [to("a", { fault: { abort: { httpStatus: 418 }, delay: { fixedDelay: "3s" } } })],
    steps: [{ to: "a" }],
  },
  {
    name: "mirror",
    http: [to("a", { mirror: { host: "b" }, mirrors: [{ destination: { host: "c" } }] })],
    steps: [{ ask: "/m", to: "a", seen: { host: "mirror.test" }, arrivals: 3, mirroredTo: ["b", "c"] }],
  },
  {
    name: "mirror-nothing",
    http: [to("a", { mirror: { host: "b" }, mirrorPercentage: { value: 0 } })],
    steps: [{ to: "a", arrivals: 1 }],
  },
  {
    name: "cors",
    http: [
      to("a", {
        corsPolicy: {
          allowOrigins: [{ exact: "https://shop.example" }, { regex: "https://.*\\.dev\\.example" }],
          allowMethods: ["GET", "PUT"],
          allowHeaders: ["x-token"],
          exposeHeaders: ["x-v"],
          maxAge: "24h",
          allowCredentials: true,
        },
      }),
    ],
    steps: [
      {
        method: "OPTIONS",
        headers: { origin: "https://shop.example", "access-control-request-method": "PUT" },
        to: null,
        got: {
          "access-control-allow-origin": "https://shop.example",
          "access-control-allow-methods": "GET,PUT",
          "access-control-allow-headers": "x-token",
          "access-control-max-age": "86400",
          "access-control-allow-credentials": "true",
        },
      },
      {
        headers: { origin: "https://x.dev.example" },
        to: "a",
        got: { "access-control-allow-origin": "https://x.dev.example", "access-control-expose-headers": "x-v" },
      },
      { headers: { origin: "https://evil.example" }, to: "a", got: { "access-control-allow-origin": null } },
      { method: "OPTIONS", headers: { origin: "https://evil.example", "access-control-request-method": "PUT" }, to: "a" },
    ],
  },
  {
    name: "cors-ignore",
    http: [to("a", { corsPolicy: { allowOrigins: [{ prefix: "https://a" }], unmatchedPreflights: "IGNORE" } })],
    steps: [{ method: "OPTIONS", headers: { origin: "https://evil.example", "access-control-request-method": "PUT" }, to: null }],
  },
];

export const behaviourCases: readonly Case[] = [...matchCases, ...changeCases, ...failureCases];
