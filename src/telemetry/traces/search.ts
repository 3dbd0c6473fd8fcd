// Which traces somebody looks for: conditions → summaries, newest first.

import { attributeText, type Span } from "./span.ts";
import type { TraceSummary } from "./trace.ts";
import type { TraceKeeping } from "./trace-pool.ts";
import type { StoredTrace } from "./trace-store.ts";

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
  /** Whether a proxy reported any of its spans. */
  readonly isOfProxies: boolean;
}

/**
 * The first `limit` traces that the query asks for, in the order in which they are given. Those that a proxy reported take the places first: an
 * application may report as many of its own as its share of the rate allows, and would leave nothing else to see.
 */
export function searchTraces(traces: Iterable<StoredTrace>, query: TraceQuery): readonly FoundTrace[] {
  const ofProxies: Place[] = [];
  const ofApplications: Place[] = [];
  let index = 0;
  for (const trace of traces) {
    if (ofProxies.length >= query.limit) break;
    const places = trace.isOfProxies ? ofProxies : ofApplications;
    if (places.length < query.limit && matches(trace, query)) places.push({ index, trace });
    index += 1;
  }
  return [...ofProxies, ...ofApplications]
    .slice(0, query.limit)
    .sort((a, b) => a.index - b.index)
    .map(({ trace: { summary, keeping, isOfProxies } }) => ({ ...summary, keeping, isOfProxies }));
}

interface Place {
  readonly index: number;
  readonly trace: StoredTrace;
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
