// Which requests a route takes.

import { type Case, to } from "./behaviour-case.ts";

const matching = (match: object | readonly object[], more: object = {}): object[] => [
  to("a", { match: Array.isArray(match) ? match : [match], ...more }),
  to("b"),
];

export const matchCases: readonly Case[] = [
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
