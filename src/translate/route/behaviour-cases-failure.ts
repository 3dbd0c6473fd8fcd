// Timeouts, retries, faults, mirrors and CORS.

import { type Case, to } from "./behaviour-case.ts";

export const failureCases: readonly Case[] = [
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
