// Traces in the terminal: what applications call themselves and their spans does nothing to it.

import { createColors } from "picocolors";
import { expect, test } from "vitest";
import type { Span } from "../telemetry/traces/span.ts";
import { summaryOf } from "../telemetry/traces/trace.ts";
import { waterfallOf } from "../telemetry/traces/waterfall.ts";
import { printTrace } from "./trace-view.ts";

const evil: Span = {
  traceId: "463ac35c9f6413ad48485a3953bb6124",
  spanId: "00f067aa0ba902b7",
  parentId: "",
  name: "pay\u001b[2J",
  kind: "server",
  startUs: 1_795_285_310_000_000,
  durationUs: 1500,
  isError: true,
  statusText: "no\u009bmoney\n",
  attributes: { "http.status_code": "5\u001b[31m03" },
  events: [],
  sender: { kind: "stranger", service: "sh\u202eop", version: "v\r2", workload: "", namespace: "", pod: "" },
  isMirrored: false,
  resource: {},
};

test("control characters of spans are shown, not obeyed", () => {
  const lines: string[] = [];
  const terminal = {
    out: (line: string) => void lines.push(line),
    err: () => {},
    raw: () => {},
    colours: createColors(false),
    isTty: false,
    columns: 120,
  };
  const view = {
    traceId: evil.traceId,
    keeping: "failed" as const,
    summary: summaryOf(evil.traceId, [evil]),
    waterfall: waterfallOf([evil]),
    dropped: 0,
  };
  printTrace(view, terminal);
  const shown = lines.join("\n");
  expect(shown).toContain("sh\\u{202e}op v\\u{d}2");
  expect(shown).toContain("it failed in");
  expect(shown.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});
