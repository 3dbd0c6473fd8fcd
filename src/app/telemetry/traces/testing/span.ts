// A span for tests.

import type { Span } from "../../../../telemetry/traces/span.ts";

let ids = 0;

/** What a server says of a request that failed; each has an id of its own. */
export function span(fields: Partial<Span> = {}): Span {
  ids += 1;
  return {
    traceId: "463ac35c9f6413ad48485a3953bb6124",
    spanId: ids.toString(16).padStart(16, "0"),
    parentId: "",
    name: "pay",
    kind: "server",
    startUs: 1_795_285_310_000_000,
    durationUs: 1500,
    isError: true,
    statusText: "no money",
    attributes: { "http.status_code": "503", items: 3, ratio: 0.5, gift: true },
    events: [{ name: "asked", timeUs: 1_795_285_310_000_500, attributes: { who: "bank" } }],
    sender: { kind: "proxy", service: "shop", version: "v2", workload: "shop-v2", namespace: "store", pod: "shop-v2-x" },
    isMirrored: false,
    resource: {},
    ...fields,
  };
}
