// What a route changes in requests and responses: rewrites, headers, redirects, direct responses.

import { type Case, to } from "./behaviour-case.ts";

export const changeCases: readonly Case[] = [
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
      { match: [{ uri: { prefix: "/old/" } }], redirect: { prefixRewrite: "/new/" } },
      { match: [{ uri: { exact: "/host" } }], redirect: { authority: "other.example", redirectCode: 308 } },
      { match: [{ uri: { exact: "/scheme" } }], redirect: { scheme: "https", redirectCode: 302 } },
      { match: [{ uri: { exact: "/port" } }], redirect: { port: 8443, redirectCode: 303 } },
      { match: [{ uri: { exact: "/own-port" } }], redirect: { authority: "o.example", port: 80, redirectCode: 307 } },
      { match: [{ uri: { exact: "/derived" } }], redirect: { scheme: "https", derivePort: "FROM_REQUEST_PORT" } },
      { match: [{ uri: { exact: "/default" } }], redirect: { scheme: "https", derivePort: "FROM_PROTOCOL_DEFAULT" } },
    ],
    steps: [
      { ask: "/plain?q=1", status: 301, to: null, got: { location: "http://redirect.test/new?q=1" } },
      { ask: "/old/x?q", status: 301, to: null, got: { location: "http://redirect.test/new/x?q" } },
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
