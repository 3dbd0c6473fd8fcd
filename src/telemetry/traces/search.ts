// Which traces somebody looks for: conditions → summaries, newest first.

import { attributeText, type Span } from "./span.ts";
import type { TraceSummary } from "./trace.ts";
import type { StoredTrace, TraceKeeping } from "./trace-store.ts";

/** All conditions hold; those left out hold always. */
export interface TraceQuery {
  /** Any span's service, by its canonical name, "<service>" or "<service>.<namespace>". */
  readonly service?: string | undefined;
  /** Part of any span's name. */
  readonly operation?: string | undefined;
  readonly minDurationMs?: number | undefined;
  /** Only traces with a failed span. */
  readonly onlyErrors?: boolean | undefined;
  /** Begun then or later, in ms since the epoch. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** Attributes that one span has with these values. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  readonly limit: number;
}

export interface FoundTrace extends TraceSummary {
  readonly keeping: TraceKeeping;
}

/** The first `limit` traces that the query asks for. */
export function searchTraces(traces: Iterable<StoredTrace>, query: TraceQuery): readonly FoundTrace[] {
  const found: FoundTrace[] = [];
  for (const trace of traces) {
    if (found.length >= query.limit) break;
    if (matches(trace, query)) found.push({ ...trace.summary, keeping: trace.keeping });
  }
  return found;
}

function matches(trace: StoredTrace, query: TraceQuery): boolean {
  const { minDurationMs = 0, onlyErrors = false, sinceMs = 0, untilMs = Number.POSITIVE_INFINITY } = query;
  const { startUs, durationUs, errors } = trace.summary;
  if (durationUs < minDurationMs * 1000 || (onlyErrors && errors === 0)) return false;
  if (startUs < sinceMs * 1000 || startUs > untilMs * 1000) return false;
  const { service, operation, attributes = {} } = query;
  const wanted = Object.entries(attributes);
  if (service === undefined && operation === undefined && wanted.length === 0) return true;
  return trace.spans.some(
    (span) =>
      (service === undefined || isOfService(span, service)) &&
      (operation === undefined || span.name.includes(operation)) &&
      wanted.every(([name, value]) => attributeText(span.attributes, name) === value || attributeText(span.resource, name) === value),
  );
}

function isOfService({ sender }: Span, service: string): boolean {
  return sender.service === service || `${sender.service}.${sender.namespace}` === service;
}
