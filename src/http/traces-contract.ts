// /lateen/v1/traces: recent traces, to search and to read. Types of the answers, and the zod schemas of what is asked.

import { z } from "zod";
import type { FoundTrace } from "../telemetry/traces/search.ts";
import type { TraceSummary } from "../telemetry/traces/trace.ts";
import type { TraceKeeping } from "../telemetry/traces/trace-pool.ts";
import type { Waterfall } from "../telemetry/traces/waterfall.ts";

/** Where spans are sent on to, and how that goes. */
export interface ForwardView {
  /** Name of the provider (MeshConfig.extensionProviders). */
  readonly provider: string;
  readonly protocol: "otlp-grpc" | "otlp-http" | "zipkin";
  /** "<host>:<port>". */
  readonly destination: string;
  readonly sentSpans: number;
  /** Spans that wait. */
  readonly queuedSpans: number;
  /** Spans that were given up, because the queue was full or the destination refused them for good. */
  readonly droppedSpans: number;
  /** Why the last try failed; missing when it went well. */
  readonly problem?: string;
}

export interface TraceList {
  /** Newest first; when there are more than asked for, those that a proxy reported. */
  readonly traces: readonly FoundTrace[];
  /** All that are kept. */
  readonly kept: number;
  /** Estimated memory of all of them. */
  readonly bytes: number;
  readonly evicted: number;
  readonly forwards: readonly ForwardView[];
}

export interface TraceView {
  readonly traceId: string;
  readonly keeping: TraceKeeping;
  readonly summary: TraceSummary;
  readonly waterfall: Waterfall;
  /** Spans that there was no room for. */
  readonly dropped: number;
}

const attributes = z
  .string()
  .max(4096)
  .transform((text, context) => {
    try {
      return z.record(z.string().max(200), z.string().max(1000)).parse(JSON.parse(text));
    } catch {
      context.addIssue("is no JSON object of texts");
      return z.NEVER;
    }
  });

/** What to look for; see TraceQuery. */
export const tracesQuerySchema = z.object({
  service: z.string().max(300).optional(),
  operation: z.string().max(300).optional(),
  minDurationMs: z.coerce.number().min(0).max(86_400_000).optional(),
  onlyErrors: z
    .enum(["true", "false"])
    .transform((text) => text === "true")
    .optional(),
  sinceMs: z.coerce.number().min(0).optional(),
  untilMs: z.coerce.number().min(0).optional(),
  attributes: attributes.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(20),
});

export type TracesQuery = z.output<typeof tracesQuerySchema>;

/** An id, or its first digits as lists show them. */
export const tracePathSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{1,32}$/, "a trace's id is 32 hexadecimal digits, or the first of them"),
});

/** What the app serves. */
export interface TracesView {
  search(query: TracesQuery): TraceList;
  /** @throws NotFound when no such trace is kept, BadInput when the digits are the first of several. */
  get(id: string): TraceView;
}
