// Traces in the test application: which headers it passes on, as applications do by hand, and a span of its own, sent as OpenTelemetry's SDKs do.
import { randomBytes } from "node:crypto";
import { request } from "node:http";

const all = /^(traceparent|tracestate|x-request-id|b3|x-b3-[a-z]+|x-test-pass)$/;
const passed = {
  all,
  b3: /^(b3|x-test-pass)$/,
  "b3-multi": /^(x-b3-[a-z]+|x-test-pass)$/,
  w3c: /^(traceparent|tracestate|x-test-pass)$/,
  baggage: /^(baggage|traceparent|tracestate|x-test-pass)$/,
};

/** The trace headers of a request that go on with further ones; x-test-pass says of which kind. */
export function tracePassed(headers) {
  const pattern = passed[headers["x-test-pass"] ?? "all"] ?? all;
  return Object.fromEntries(Object.entries(headers).filter(([name]) => pattern.test(name)));
}

/** Begins a span of the application below the one in `headers`, which becomes its own; the function ends and sends it. */
export function ownSpan(name, headers) {
  const [, traceId, parentSpanId] = (headers.traceparent ?? "").split("-");
  const spanId = randomBytes(8).toString("hex");
  const start = Date.now();
  headers.traceparent = `00-${traceId}-${spanId}-01`;
  return () => {
    const span = {
      traceId,
      spanId,
      parentSpanId,
      name,
      kind: 1,
      startTimeUnixNano: `${start}000000`,
      endTimeUnixNano: `${Date.now()}000000`,
    };
    const resource = { attributes: [{ key: "service.name", value: { stringValue: "a-name-of-its-own" } }] };
    const body = JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] });
    const endpoint = process.env.OTEL_EXPORTER_OTLP_ENDPOINT ?? "";
    const post = request(`${endpoint}/v1/traces`, { method: "POST", headers: { "content-type": "application/json" } }, (answer) =>
      answer.resume(),
    );
    post.on("error", (error) => process.stderr.write(`span not sent: ${error.message}\n`));
    post.end(body);
  };
}
